//! Why a request was not carried out.

use serde::Serialize;
use std::collections::BTreeMap;

/// The body of every answer from 400 on, in one of GitLab's two shapes.
#[derive(Clone, Debug, Serialize)]
pub(in crate::api::gitlab) struct Problem {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_description: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
}

/// One sentence, or what is wrong with each field.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Message {
    Text(String),
    Fields(BTreeMap<String, Vec<String>>),
}

impl Problem {
    const EMPTY: Self = Self {
        error: None,
        error_description: None,
        message: None,
        scope: None,
    };

    pub(in crate::api::gitlab) fn error(text: String) -> Self {
        Self {
            error: Some(text),
            ..Self::EMPTY
        }
    }

    /// A word, and a sentence that explains it.
    pub(in crate::api::gitlab) fn explained(
        word: &str,
        sentence: &'static str,
        scope: Option<&'static str>,
    ) -> Self {
        Self {
            error: Some(word.to_owned()),
            error_description: Some(sentence),
            scope,
            ..Self::EMPTY
        }
    }

    pub(in crate::api::gitlab) fn message(text: String) -> Self {
        Self {
            message: Some(Message::Text(text)),
            ..Self::EMPTY
        }
    }

    pub(in crate::api::gitlab) fn field(field: &str, what: Vec<String>) -> Self {
        let fields = BTreeMap::from([(field.to_owned(), what)]);
        Self {
            message: Some(Message::Fields(fields)),
            ..Self::EMPTY
        }
    }

    /// The same with the request's id, by which its cause is found in the log.
    pub(in crate::api::gitlab) fn with_request(&self, id: &str) -> Self {
        let message = match &self.message {
            Some(Message::Text(text)) => Some(Message::Text(format!("{text} (request {id})"))),
            other @ (Some(Message::Fields(_)) | None) => other.clone(),
        };
        Self {
            message,
            ..self.clone()
        }
    }
}
