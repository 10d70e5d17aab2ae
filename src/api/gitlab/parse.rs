//! Parameters to values. Everything that is wrong is said at once, each fault with its parameter's name, in the order in
//! which GitLab declares them.

use super::error::Refusal;
use crate::api::page::{NoPage, Page};
use crate::api::parameters::{Parameters, Unread, Wrong};
use crate::core::time::Timestamp;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// The parameters of a request, and what is wrong with those that were looked at.
pub(super) struct Asked {
    given: Parameters,
    faults: Vec<String>,
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let read = parts.extensions.remove::<Result<Parameters, Unread>>();
        let given = read.unwrap_or_else(|| Ok(Parameters::default()))?;
        Ok(Self {
            given,
            faults: Vec::new(),
        })
    }
}

impl Asked {
    /// One fault more.
    pub(super) fn fault(&mut self, name: &str, what: &str) {
        self.faults.push(format!("{name} {what}"));
    }

    /// Refuses what is wrong.
    pub(super) fn checked(&self) -> Result<(), Refusal> {
        match self.faults.as_slice() {
            [] => Ok(()),
            faults => Err(Refusal::invalid(faults.join(", "))),
        }
    }

    /// Whether there is a parameter of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.given.has(name)
    }

    fn read<T>(
        &mut self,
        name: &str,
        read: fn(&Parameters, &str) -> Result<Option<T>, Wrong>,
    ) -> Option<T> {
        read(&self.given, name).unwrap_or_else(|Wrong| {
            self.fault(name, "is invalid");
            None
        })
    }

    /// A text.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.read(name, |given, name| {
            Ok(given.text(name)?.map(std::borrow::Cow::into_owned))
        })
    }

    /// A text that says something; what is empty was not given.
    pub(super) fn present(&mut self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.trim().is_empty())
    }

    /// A text that has to be there; nothing after a fault.
    pub(super) fn required(&mut self, name: &str) -> String {
        let is_given = self.has(name);
        match self.text(name) {
            Some(text) if text.trim().is_empty() => self.fault(name, "is empty"),
            Some(text) => return text,
            None if !is_given => self.fault(name, "is missing"),
            None => {}
        }
        String::new()
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        self.read(name, Parameters::flag)
    }

    /// A time.
    pub(super) fn time(&mut self, name: &str) -> Option<Timestamp> {
        self.read(name, Parameters::time)
    }

    /// A word that means something, if it is given.
    pub(super) fn word<T>(
        &mut self,
        name: &str,
        meaning: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let word = self.text(name)?;
        let meant = meaning(&word);
        if meant.is_none() {
            self.fault(name, "does not have a valid value");
        }
        meant
    }

    /// The same for a word that has to be there. GitLab says of one that is missing that it has no valid value, too.
    pub(super) fn required_word<T>(
        &mut self,
        name: &str,
        meaning: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        if !self.has(name) {
            self.fault(name, "is missing");
            self.fault(name, "does not have a valid value");
        }
        self.word(name, meaning)
    }

    /// What of a list is wanted.
    pub(super) fn page(&mut self) -> Option<Page> {
        match Page::of(&self.given) {
            Ok(page) => return Some(page),
            Err(NoPage::Invalid(name)) => self.fault(name, "is invalid"),
            Err(NoPage::OfNothing) => self.fault("per_page", "has a value not allowed"),
        }
        None
    }

    /// A number in the path.
    pub(super) fn id(&mut self, name: &str, text: &str) -> i64 {
        text.parse().unwrap_or_else(|_| {
            self.fault(name, "is invalid");
            0
        })
    }
}
