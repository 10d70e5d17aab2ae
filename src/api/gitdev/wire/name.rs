//! Names in requests, as they are described.

use utoipa::ToSchema;

/// An environment's name: a configured one's is of lower-case letters, digits and inner dashes, a preview's may be any.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,255}$", examples("production", "pr-12"))]
#[expect(dead_code, reason = "it describes what is read by hand")]
pub(in crate::api::gitdev) struct EnvironmentName(String);

/// The name of an environment of which something is listed: also of one that others deploy to.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^[A-Za-z0-9 ${}./_-]{1,255}$", examples("production", "review/fix-1"))]
#[expect(dead_code, reason = "it describes what is read by hand")]
pub(in crate::api::gitdev) struct ListedEnvironment(String);

/// A variable's name, which is its secret's.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^[A-Za-z_][A-Za-z0-9_]{0,254}$", examples("DATABASE_URL"))]
#[expect(dead_code, reason = "it describes what is read by hand")]
pub(in crate::api::gitdev) struct VariableName(String);

/// The id that an event had; an empty one is none.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^[0-9]{0,18}$", examples("817"))]
#[expect(dead_code, reason = "it describes what is read by hand")]
pub(in crate::api::gitdev) struct EventId(String);
