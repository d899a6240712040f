# SPDX-License-Identifier: GPL-3.0-or-later
# Only after the deployment: the code before it may still write the column.
class RemoveLegacyUriFromStatuses < ActiveRecord::Migration[7.2]
  def change
    remove_column :statuses, :legacy_uri, :string
  end
end
