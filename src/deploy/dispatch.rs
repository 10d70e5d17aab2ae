//! The one door for every dialect: who may ask, then what is asked.

use super::Agent;
use crate::core::access::{Caller, Reach, Scope};
use crate::core::action::{
    Action, AppRef, AppView, Deletion, DeploymentRef, LOG_WAIT, ListDeployments, Listed, LogPage,
    ReadLog, Reply,
};
use crate::core::change::Change;
use crate::core::deployment::{Deployment, Phase};
use crate::core::error::{Ended, Error};
use crate::core::id::AppSerial;
use crate::core::run::{Cause, Run};
use crate::store::{ListFilter, StoreError};
use uuid::Uuid;

/// The smallest piece of a log that is read: one whole line must fit.
const MIN_LOG_PIECE: u64 = 128 * 1024;
/// The largest: what is held in memory for one request.
const MAX_LOG_PIECE: u64 = 1024 * 1024;

impl Agent {
    /// Carries out a request of somebody.
    ///
    /// # Errors
    /// Says why it was not carried out; nothing has changed then.
    pub async fn dispatch(&self, caller: &Caller, action: Action) -> Result<Reply, Error> {
        let needed = needed_scope(&action);
        if caller.scope < needed {
            return Err(Error::Forbidden(needed));
        }
        if needed > Scope::Read && !matches!(action, Action::Adopt { .. }) {
            self.must_be_whole()?;
        }
        // What waits has a future of its own: the small ones would carry the largest one's room through every layer.
        match action {
            Action::CreateDeployment(create) => Box::pin(self.create(caller, create)).await,
            Action::CreateTogether(all) => Box::pin(self.create_together(caller, all)).await,
            Action::GetDeployment(which) => self.shown(caller, which),
            Action::ListDeployments(list) => self.list(caller, list),
            Action::CancelDeployment(which) => self.cancel(caller, which),
            Action::Record(record) => self.record(caller, &record),
            Action::Report(which, state) => self.report(caller, which, state),
            Action::DeleteDeployment { which, how } => {
                Box::pin(self.delete(caller, which, how)).await
            }
            Action::ListStatuses {
                which,
                limit,
                offset,
            } => self.list_statuses(caller, which, limit, offset),
            Action::GetStatus(which, serial) => self.show_status(caller, which, serial),
            Action::PostStatus(post) => self.post_status(caller, &post),
            Action::PostCommitStatus(post) => Box::pin(self.post_commit_status(caller, post)).await,
            Action::ListCommitStatuses(list) => {
                Box::pin(self.list_commit_statuses(caller, list)).await
            }
            Action::CombineCommitStatuses(list) => {
                Box::pin(self.combine_commit_statuses(caller, list)).await
            }
            Action::GetCommit { project, name } => {
                Box::pin(self.show_commit(caller, &project, &name)).await
            }
            Action::ReadLog(read) => Box::pin(self.read_log(caller, read)).await,
            Action::ListApps => Ok(Reply::Apps(self.with_drift(self.apps(caller)?)?)),
            Action::GetApp(app) => self.show_app(caller, &app),
            Action::ListEvents(list) => Box::pin(self.list_events(caller, list)).await,
            Action::PlanDeployment(create) => Box::pin(self.plan(caller, create)).await,
            Action::Measure => {
                let figures = Box::pin(self.measure(caller)).await?;
                Ok(Reply::Measurements(Box::new(figures)))
            }
            Action::CreateToken(create) => self.create_token(caller, create),
            Action::ListTokens { all } => self.list_tokens(caller, all),
            Action::RevokeToken(id) => self.revoke_token(caller, id),
            Action::Adopt { discard } => {
                let adopted = Box::pin(self.adopt(caller, discard)).await?;
                Ok(Reply::Adopted(adopted))
            }
            Action::Takeover => Ok(Reply::TakenOver(Box::pin(self.take_over(caller)).await?)),
            Action::Reload => Ok(Reply::Reloaded(self.reload_for(caller)?)),
            Action::SetSecret(which, value) => self.set_secret(caller, &which, &value),
            Action::RemoveSecret(which) => self.remove_secret(caller, &which),
            Action::ListSecrets(app, environment) => {
                self.list_secrets(caller, &app, environment.as_ref())
            }
            Action::CollectGarbage { explain } => {
                Box::pin(self.collect_garbage(caller, explain)).await
            }
            Action::Change(change) => self.change(caller, &change),
            Action::GetChange(serial) => self.show_change(caller, serial),
            Action::GetEnvironment(which) => self.show_environment(caller, which),
            Action::ListEnvironments(list) => self.list_environments(caller, &list),
            Action::CreateEnvironment(create) => self.create_environment(caller, &create),
            Action::NoteEnvironment(which, notes) => self.note_environment(caller, which, &notes),
            Action::StopEnvironment(which) => self.stop_environment(caller, which),
            Action::RemoveEnvironment(which) => self.remove_environment(caller, which),
            Action::TakeDownEnvironment(which) => self.take_down_environment(caller, which),
            Action::GetService(which) => self.show_service(caller, which),
            Action::ListServices(list) => self.list_services(caller, &list),
            Action::ListHistory(asked) => self.service_history(caller, asked),
            Action::ListProjects(list) => self.list_projects(caller, &list),
            Action::GetProject(which) => self.show_project(caller, &which),
            Action::ListProcesses(app, environment) => {
                Box::pin(self.list_processes(caller, &app, environment.as_ref())).await
            }
            Action::ReadRuntimeLog(read) => Box::pin(self.read_runtime_log(caller, read)).await,
            Action::RunJob(asked) => self.run_job(caller, asked),
            Action::ListRuns(list) => self.list_runs(caller, &list),
            Action::GetRun(id) => self.show_run(caller, id),
            Action::CancelRun(id) => self.cancel_run(caller, id),
            Action::Hook(request) => self.hook(caller, &request),
            Action::Introduce => Ok(self.introduce(caller)),
        }
    }

    /// A deployment the caller can see, and that was executed here.
    pub(super) fn visible(
        &self,
        caller: &Caller,
        which: DeploymentRef,
    ) -> Result<Deployment, Error> {
        let found = self.store.find_deployment(which).map_err(internal)?;
        let sees = |deployment: &Deployment| {
            caller
                .reach
                .includes(deployment.app, deployment.environment)
        };
        match found.filter(sees) {
            Some(deployment) => Ok(deployment),
            // What was recorded can be seen, and is no deployment of ours; what is neither is not there.
            None => Err(self
                .recorded(caller, which)
                .map_or_else(|error| error, |_| Error::Recorded)),
        }
    }

    /// A deployment the caller can see, with what is around it.
    pub(super) fn shown(&self, caller: &Caller, which: DeploymentRef) -> Result<Reply, Error> {
        let found = self.store.find_view(which).map_err(internal)?;
        let found = found.ok_or(Error::DeploymentNotFound)?;
        let (app, environment) = match &found {
            Listed::Executed(view) => (view.deployment.app, view.deployment.environment),
            Listed::Recorded(view) => (view.recorded.app, view.recorded.environment),
        };
        match (caller.reach.includes(app, environment), found) {
            (false, _) => Err(Error::DeploymentNotFound),
            (true, Listed::Executed(view)) => Ok(Reply::Deployment(Box::new(view))),
            (true, Listed::Recorded(view)) => Ok(Reply::Recorded(Box::new(view))),
        }
    }

    fn view(&self, deployment: &Deployment) -> Result<Reply, Error> {
        Ok(Reply::Deployment(Box::new(
            self.store.view(deployment.serial).map_err(internal)?,
        )))
    }

    fn list(&self, caller: &Caller, list: ListDeployments) -> Result<Reply, Error> {
        let app = match &list.app {
            Some(app) => Some(self.visible_app(caller, app)?),
            None => None,
        };
        let filter = ListFilter {
            reach: caller.reach,
            project: list.project,
            app,
            environment: list.environment,
            environment_id: list.environment_id,
            states: list.states,
            executed: false,
            updated_from: list.updated_from,
            updated_before: list.updated_before,
            order: list.order,
            ascending: list.ascending,
            limit: list.limit,
            offset: list.offset,
            steps: list.steps,
            narrowed: list.narrowed,
        };
        let (items, total) = self.store.list(&filter).map_err(internal)?;
        Ok(Reply::Deployments { items, total })
    }

    /// The apps the caller can see, by their names: also those that are not deployed here, which have no environments.
    fn apps(&self, caller: &Caller) -> Result<Vec<AppView>, Error> {
        let mut apps = self.store.apps(caller.reach).map_err(internal)?;
        let settings = self.settings();
        let elsewhere = settings.apps.iter();
        let elsewhere = elsewhere.filter(|app| app.environments.is_empty());
        for app in elsewhere.filter(|app| self.visible_app(caller, &AppRef::Id(app.id)).is_ok()) {
            // What ran there before it was only recorded is shown as it is.
            if apps.iter().all(|view| view.id != app.id) {
                apps.push(AppView {
                    name: app.name.clone(),
                    id: app.id,
                    project: app.project.clone(),
                    configured: true,
                    environments: Vec::new(),
                });
            }
        }
        apps.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(apps)
    }

    fn show_app(&self, caller: &Caller, app: &AppRef) -> Result<Reply, Error> {
        let apps = self.apps(caller)?;
        let is_meant = |view: &AppView| match app {
            AppRef::Id(id) => view.id == *id,
            AppRef::Name(name) => view.name == *name,
        };
        let found = apps.into_iter().filter(is_meant).take(1).collect();
        let found = self.with_drift(found)?.pop();
        let found = found.ok_or_else(|| Error::AppNotFound(app.to_string()))?;
        Ok(Reply::App(Box::new(found)))
    }

    pub(super) fn visible_app(&self, caller: &Caller, app: &AppRef) -> Result<AppSerial, Error> {
        let found = self.store.app(app).map_err(internal)?;
        let sees = |serial: AppSerial| match caller.reach {
            Reach::All => true,
            Reach::App(only) | Reach::Environment(only, _) => only == serial,
        };
        match found {
            Some((serial, _)) if sees(serial) => Ok(serial),
            Some(_) | None => Err(Error::AppNotFound(app.to_string())),
        }
    }

    /// Writes the cancellation down; the deployment's walk sees it and ends. First recorded wins.
    pub(super) fn cancel(&self, caller: &Caller, which: DeploymentRef) -> Result<Reply, Error> {
        loop {
            let deployment = self.visible(caller, which)?;
            let ended = match deployment.phase {
                Phase::Queued | Phase::Running(_) => None,
                Phase::Cancelled { .. } => return self.view(&deployment),
                Phase::Committed(_) => Some(Ended::Committed),
                Phase::Succeeded { .. } => Some(Ended::Succeeded),
                Phase::Failed { .. } => Some(Ended::Failed),
                Phase::Superseded { .. } => Some(Ended::Superseded),
            };
            if let Some(ended) = ended {
                return Err(Error::NotCancellable(ended));
            }
            let now = self.ports.clock.now();
            let slug = self
                .store
                .place_of(deployment.environment)
                .map_err(internal)?
                .slug();
            let from = deployment.phase.clone();
            let cancelled = deployment
                .cancel(caller.principal.serial, now)
                .map_err(|error| Error::Internal(error.to_string()))?;
            match self.store.end(&from, &cancelled, &slug, now) {
                Ok(()) => return self.view(&cancelled),
                Err(StoreError::Moved(_)) => {}
                Err(error) => return Err(internal(error)),
            }
        }
    }

    /// Whose log is meant: a deployment's, or a run's, which is its deployment's if it belongs to one.
    fn whose_log(&self, caller: &Caller, id: Uuid) -> Result<Whose, Error> {
        let missing = match self.visible(caller, id.into()) {
            Ok(deployment) => return Ok(Whose::Deployment(Box::new(deployment))),
            Err(missing) => missing,
        };
        let run = self.visible_run(caller, id).map_err(|_| missing)?;
        match run.cause {
            Cause::Deployment(deployment) => {
                let deployment = self.store.deployment(deployment).map_err(internal)?;
                Ok(Whose::Deployment(Box::new(deployment)))
            }
            Cause::Change(_) | Cause::Schedule(_) | Cause::Hand => Ok(Whose::Run(run)),
        }
    }

    /// Whether nothing more will be written into a log.
    fn is_settled(&self, whose: &Whose) -> Result<bool, StoreError> {
        match whose {
            Whose::Deployment(deployment) => self.store.is_settled(deployment.serial),
            Whose::Run(run) => self.store.is_run_settled(run.serial),
        }
    }

    async fn read_log(&self, caller: &Caller, read: ReadLog) -> Result<Reply, Error> {
        let whose = self.whose_log(caller, read.deployment)?;
        let limit = read.limit.clamp(MIN_LOG_PIECE, MAX_LOG_PIECE);
        let mut lines = self.store.lines();
        let mut changes = self.store.changes();
        let mut closing = self.closing.subscribe();
        let give_up = self.ports.clock.sleep(LOG_WAIT);
        tokio::pin!(give_up);
        loop {
            lines.borrow_and_update();
            changes.borrow_and_update();
            // Asked before the log is read: a line written in between is then seen.
            let settled = self.is_settled(&whose).map_err(internal)?;
            let page = self
                .store
                .read_log(whose.id(), read.from, limit)
                .map_err(internal)?;
            let at_end = page.text.is_empty();
            let is_over = *closing.borrow_and_update();
            if !at_end || settled || !read.wait || is_over {
                return Ok(Reply::Log(LogPage {
                    complete: at_end && settled,
                    ..page
                }));
            }
            tokio::select! {
                biased;
                _ = lines.changed() => {}
                _ = changes.changed() => {}
                _ = closing.changed() => {}
                () = &mut give_up => return Ok(Reply::Log(page)),
            }
        }
    }
}

/// Whose log it is.
enum Whose {
    Deployment(Box<Deployment>),
    Run(Run),
}

impl Whose {
    fn id(&self) -> Uuid {
        match self {
            Self::Deployment(deployment) => deployment.id,
            Self::Run(run) => run.id,
        }
    }
}

fn needed_scope(action: &Action) -> Scope {
    match action {
        Action::GetDeployment(_)
        | Action::ListDeployments(_)
        | Action::ReadLog(_)
        | Action::ListSecrets(..)
        | Action::ListApps
        | Action::GetApp(_)
        | Action::ListEvents(_)
        | Action::PlanDeployment(_)
        | Action::Measure
        | Action::GetChange(_)
        | Action::GetEnvironment(_)
        | Action::ListEnvironments(_)
        | Action::ListProjects(_)
        | Action::GetProject(_)
        | Action::GetService(_)
        | Action::ListServices(_)
        | Action::ListHistory(_)
        | Action::ListProcesses(..)
        | Action::ReadRuntimeLog(_)
        | Action::ListRuns(_)
        | Action::GetRun(_)
        | Action::ListStatuses { .. }
        | Action::GetStatus(..)
        | Action::ListCommitStatuses(_)
        | Action::CombineCommitStatuses(_)
        | Action::GetCommit { .. }
        | Action::Introduce => Scope::Read,
        Action::CreateDeployment(_)
        | Action::CreateTogether(_)
        | Action::CancelDeployment(_)
        | Action::Record(_)
        | Action::Report(..)
        | Action::CreateEnvironment(_)
        | Action::NoteEnvironment(..)
        | Action::StopEnvironment(_)
        | Action::PostStatus(_)
        | Action::PostCommitStatus(_)
        | Action::TakeDownEnvironment(_)
        | Action::RunJob(_)
        | Action::CancelRun(_)
        | Action::Hook(_) => Scope::Write,
        Action::DeleteDeployment { how, .. } => match how {
            Deletion::Record => Scope::Write,
            Deletion::Ended | Deletion::Force => Scope::Admin,
        },
        Action::RemoveEnvironment(_)
        | Action::CreateToken(_)
        | Action::ListTokens { .. }
        | Action::RevokeToken(_)
        | Action::Reload
        | Action::Takeover
        | Action::Adopt { .. }
        | Action::SetSecret(..)
        | Action::RemoveSecret(_)
        | Action::CollectGarbage { .. } => Scope::Admin,
        Action::Change(change) => match change.change {
            Change::Stop | Change::Start | Change::Suspend | Change::Activate => Scope::Write,
            Change::Remove { .. } => Scope::Admin,
        },
    }
}

/// A failure of ours: the cause goes into our log, the caller learns that it is not their fault.
pub(super) fn internal(error: StoreError) -> Error {
    if let StoreError::DiskFull { data_dir, .. } = &error {
        tracing::warn!(%error, "a request was refused");
        let next = super::failures::make_space(data_dir);
        return Error::DiskFull(format!("{error}: nothing was changed. {next}"));
    }
    tracing::error!(%error, "a request failed");
    Error::Internal("longshore could not carry this out; its log has the cause".into())
}
