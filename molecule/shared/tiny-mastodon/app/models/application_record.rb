# SPDX-License-Identifier: GPL-3.0-or-later
class ApplicationRecord < ActiveRecord::Base
  primary_abstract_class

  REPLICA = %w[REPLICA_DB_HOST REPLICA_DB_NAME REPLICA_DATABASE_URL].any? { |name| ENV[name].present? }
  AVOID_REPLICA_FOR = 10

  connects_to database: { writing: :primary, reading: :replica } if REPLICA

  # Yields "replica" or "primary": the primary while there is no replica that answers.
  def self.reading(&block)
    return yield("primary") if !REPLICA || @avoid_replica_until&.future?

    begin
      connected_to(role: :reading, prevent_writes: true) { yield("replica") }
    rescue ActiveRecord::ConnectionNotEstablished, ActiveRecord::ConnectionFailed, ActiveRecord::NoDatabaseError => e
      logger.warn("The replica does not answer (#{e.class}): reading from the primary")
      @avoid_replica_until = AVOID_REPLICA_FOR.seconds.from_now
      yield("primary")
    end
  end
end
