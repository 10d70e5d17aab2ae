//! Tokens in answers.

use super::word::{RatePlan, Scope};
use crate::api::gitdev::id;
use crate::core::action::TokenView;
use crate::core::rate::UNLIMITED;
use crate::core::secret::Secret;
use crate::core::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// A token, without its secret.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct Token {
    /// The app it is for; all apps if null.
    app: Option<String>,
    /// How many requests at once.
    burst: u32,
    created_at: String,
    /// Who made it, where that is known.
    created_by: Option<String>,
    /// The environment it is for; all of the app's if null.
    environment: Option<String>,
    /// When it ends by itself.
    expires_at: Option<String>,
    /// The id of the user its requests are made by.
    #[schema(examples("user_3hab1r2m5v6co8emss3yap36"))]
    id: String,
    /// When it was used last, to the minute.
    last_used_at: Option<String>,
    name: String,
    plan: RatePlan,
    /// How many requests a minute; unlimited if null.
    rate: Option<u32>,
    /// When it was revoked.
    revoked_at: Option<String>,
    scope: Scope,
}

impl From<&TokenView> for Token {
    fn from(view: &TokenView) -> Self {
        let rate = view.plan.rate();
        let time = |at: Option<Timestamp>| at.map(Timestamp::to_seconds_string);
        Self {
            app: view.app.as_ref().map(ToString::to_string),
            burst: rate.map_or(UNLIMITED, |rate| rate.burst.get()),
            created_at: view.created_at.to_seconds_string(),
            created_by: view.created_by.clone(),
            environment: view.environment.as_ref().map(ToString::to_string),
            expires_at: time(view.expires_at),
            id: id::user(view.principal.id),
            last_used_at: time(view.last_used_at),
            name: view.principal.name.clone(),
            plan: view.plan.into(),
            rate: rate.map(|rate| rate.per_minute.get()),
            revoked_at: time(view.revoked_at),
            scope: view.scope.into(),
        }
    }
}

/// A token that was made. Its secret is shown here and never again.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct NewToken {
    #[serde(flatten)]
    made: Token,
    /// What stands after `Bearer` in a request.
    token: String,
}

impl NewToken {
    pub(in crate::api::gitdev) fn new(view: &TokenView, secret: &Secret) -> Self {
        Self {
            made: view.into(),
            token: secret.expose().to_owned(),
        }
    }
}

/// Tokens, in the order they were made.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct Tokens {
    data: Vec<Token>,
}

impl Tokens {
    pub(in crate::api::gitdev) fn new(views: &[TokenView]) -> Self {
        Self {
            data: views.iter().map(Token::from).collect(),
        }
    }
}
