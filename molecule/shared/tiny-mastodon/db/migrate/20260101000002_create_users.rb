# SPDX-License-Identifier: GPL-3.0-or-later
class CreateUsers < ActiveRecord::Migration[7.2]
  def change
    create_table :users do |t|
      t.string :email, null: false, index: { unique: true }
      t.string :otp_secret
      t.timestamps
    end
  end
end
