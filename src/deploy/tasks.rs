//! Tasks: commands that a request can ask for, run from the new image before the switch.

use super::Agent;
use crate::core::error::Error;
use crate::core::name::TaskName;
use crate::core::spec::Spec;

impl Agent {
    /// Whether the environment has the task that is asked for.
    #[expect(
        clippy::unused_self,
        reason = "what is known comes from the configuration"
    )]
    pub(super) fn known_task(&self, _spec: &Spec, task: Option<&TaskName>) -> Result<(), Error> {
        match task {
            None => Ok(()),
            Some(task) => Err(Error::UnknownTask {
                task: task.to_string(),
                known: vec!["deploy".to_owned()],
            }),
        }
    }
}
