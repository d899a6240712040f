# SPDX-License-Identifier: GPL-3.0-or-later
class CreateJobRuns < ActiveRecord::Migration[7.2]
  def change
    create_table :job_runs do |t|
      t.string :uuid, null: false, index: true
      t.string :queue, null: false
      t.string :jid, null: false
      t.string :enqueued_by
      t.string :run_by, null: false
      t.datetime :created_at, null: false
    end
  end
end
