# SPDX-License-Identifier: GPL-3.0-or-later
Rails.application.routes.draw do
  get "/health", to: "health#show"
  root to: "timelines#show"

  namespace :api, defaults: { format: :json } do
    namespace :v1 do
      get "timelines/public", to: "timelines#show"
      resources :statuses, only: %i[create show destroy]

      namespace :admin do
        get "audit", to: "audits#show"
        get "sidekiq", to: "sidekiqs#show"
        resources :jobs, only: %i[create index]
        post "media/:id/hide", to: "media#hide"
        post "media/:id/unhide", to: "media#unhide"
      end
    end

    namespace :v2 do
      get "instance", to: "instances#show"
      post "media", to: "media#create"
    end
  end
end
