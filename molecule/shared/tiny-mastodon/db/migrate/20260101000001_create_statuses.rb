# SPDX-License-Identifier: GPL-3.0-or-later
class CreateStatuses < ActiveRecord::Migration[7.2]
  def up
    create_snowflake_table :statuses do |t|
      t.string :uuid, null: false, index: { unique: true }
      t.text :text, null: false
      t.string :created_from
      t.integer :duplicate_posts, null: false, default: 0
      t.string :legacy_uri
      t.timestamps
    end

    create_snowflake_table :media_attachments do |t|
      t.references :status, foreign_key: { on_delete: :cascade }
      t.string :file_file_name, null: false
      t.string :file_content_type, null: false
      t.integer :file_file_size, null: false
      t.boolean :hidden, null: false, default: false
      t.timestamps
    end
  end

  def down
    drop_table :media_attachments
    drop_table :statuses
    execute "DROP SEQUENCE media_attachments_id_sequence, statuses_id_sequence"
  end

  private

  # Ids as large as Mastodon's (milliseconds, then 16 bits that differ), because the storage keys are cut from them.
  def create_snowflake_table(name, &block)
    sequence = "#{name}_id_sequence"
    execute "CREATE SEQUENCE #{sequence}"
    default = "((extract(epoch from clock_timestamp()) * 1000)::bigint << 16) | (nextval('#{sequence}') & 65535)"
    create_table(name, id: :bigint, default: -> { default }, &block)
  end
end
