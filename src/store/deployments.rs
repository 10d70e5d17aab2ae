//! Deployments: creating, looking, and moving them from phase to phase.

use super::connections;
use super::keys::Answered;
use super::operations::write_settlements;
use super::phases::{StepResult, begin_step, end_step, status_event, still, transition};
use super::previews::{NewPreview, NoPreview, note_last, preview_in};
use super::recorded::{next_iid, which_row};
use super::releases::is_collected;
use super::rows::{DEPLOYMENT, from_json, inconsistent, json, trigger_word, variables_place};
use super::runs::{OwnRun, begin_with_run, end_with_deployment};
use super::standing::{is_busy, note_head, standing};
use super::{Store, StoreError};
use crate::core::action::{DeploymentRef, RequestKey};
use crate::core::admission::{self, DeniedReason, IgnoredReason, Verdict};
use crate::core::deployment::{Deployment, Phase, Request, Wanted};
use crate::core::id::{
    AppSerial, ContainerSerial, DeploymentSerial, EnvironmentSerial, ProjectSerial,
};
use crate::core::job::JobEvent;
use crate::core::name::{Sha, TaskName};
use crate::core::operation::leftovers;
use crate::core::particulars::Particulars;
use crate::core::reference::Reference;
use crate::core::release::Image;
use crate::core::run::Cause;
use crate::core::spec::Spec;
use crate::core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use uuid::Uuid;

/// A deployment that is asked for.
#[derive(Clone, Debug)]
pub struct NewDeployment {
    /// The id it will have.
    pub id: Uuid,
    /// Its app.
    pub app: AppSerial,
    /// Its environment.
    pub environment: EnvironmentSerial,
    /// What is asked.
    pub request: Request,
    /// The head of the configured branch, if finding the commit told it: it need not be looked at again.
    pub head: Option<Sha>,
    /// Recognises a repetition.
    pub key: Option<RequestKey>,
    /// Whether one of the same commit or image, of which the same was said, and that has not ended yet is taken for this
    /// one.
    pub unless_unfinished: bool,
    /// Whether it is refused where the environment's queue is not empty.
    pub idle: bool,
    /// What the request says besides; its task and payload are in the request.
    pub particulars: Particulars,
    /// The preview it is for, where that was not there when the request was looked at.
    pub preview: Option<NewPreview>,
}

/// What became of it.
#[derive(Clone, Debug)]
pub enum Created {
    /// It is in its queue.
    New(Deployment),
    /// The same was asked for before; this is what it made.
    Known(Deployment),
    /// The key was used before for another request.
    KeyReused,
    /// There is nothing to do.
    Ignored(IgnoredReason),
    /// It may not.
    Denied(DeniedReason),
    /// Something is at work or waiting in its environment, and it was not to be then.
    Busy,
    /// Its preview cannot be made.
    NoPreview(NoPreview),
}

impl Store {
    /// Decides over a deployment and writes it, its operation and what it supersedes, all at once.
    ///
    /// # Errors
    /// If the database fails.
    pub fn create_deployment(
        &self,
        new: &NewDeployment,
        now: Timestamp,
    ) -> Result<Created, StoreError> {
        self.write_sparing("create_deployment", |tx| self.create_in(tx, new, now))
    }

    /// The same for several, in their order: all of them are written, or none, and then it is said which one may not be and
    /// what became of it.
    ///
    /// # Errors
    /// If the database fails.
    pub fn create_deployments(
        &self,
        all: &[NewDeployment],
        now: Timestamp,
    ) -> Result<Result<Vec<Deployment>, (usize, Created)>, StoreError> {
        let mut refused = None;
        let written = self.write_sparing("create_deployments", |tx| {
            refused = None;
            let mut made = Vec::new();
            for (index, new) in all.iter().enumerate() {
                match self.create_in(tx, new, now)? {
                    Created::New(created) | Created::Known(created) => made.push(created),
                    other @ (Created::KeyReused
                    | Created::Ignored(_)
                    | Created::Denied(_)
                    | Created::Busy
                    | Created::NoPreview(_)) => {
                        refused = Some((index, other));
                        // An error is what takes back what this transaction wrote.
                        return Err(StoreError::Moved("one of several deployments".into()));
                    }
                }
            }
            Ok(made)
        });
        match (written, refused) {
            (Ok(made), _) => Ok(Ok(made)),
            (Err(_), Some(refused)) => Ok(Err(refused)),
            (Err(error), None) => Err(error),
        }
    }

    fn create_in(
        &self,
        tx: &Transaction<'_>,
        new: &NewDeployment,
        now: Timestamp,
    ) -> Result<Created, StoreError> {
        match self.answered_in(tx, new.request.by, new.key.as_ref(), now)? {
            None => {}
            Some(Answered::Deployment(known)) => {
                return Ok(Created::Known(self.deployment_in(tx, known)?));
            }
            Some(
                Answered::Changes(_) | Answered::Token(..) | Answered::Run(_) | Answered::Another,
            ) => {
                return Ok(Created::KeyReused);
            }
        }
        let (new, is_made) = match at_home(self, tx, new, now)? {
            Ok(home) => home,
            Err(why) => return Ok(Created::NoPreview(why)),
        };
        let new = new.as_ref();
        if new.unless_unfinished
            && let Some(same) = same_unfinished(tx, new)?
        {
            return Ok(Created::Known(self.deployment_in(tx, same)?));
        }
        if new.idle && is_busy(tx, new.environment)? {
            return Ok(Created::Busy);
        }
        self.disk.room()?;
        if let Wanted::Release(release) = new.request.wanted
            && is_collected(tx, release)?
        {
            return Ok(Created::Denied(DeniedReason::Collected));
        }
        let standing = standing(tx, new.environment)?;
        let verdict = admission::admit(&standing, new.request.trigger, &new.request.wanted);
        if let (Some(head), Verdict::Accepted { .. } | Verdict::Ignored(_)) = (&new.head, &verdict)
        {
            note_head(tx, new.environment, head)?;
        }
        let supersedes = match verdict {
            Verdict::Accepted { supersedes } => supersedes,
            // Nothing of this transaction stays, so that no preview is left behind that was never deployed to.
            Verdict::Ignored(_) | Verdict::Denied(_) if is_made => {
                let what = "was just made and takes no deployment";
                return Err(inconsistent("environment", new.environment, what));
            }
            Verdict::Ignored(reason) => return Ok(Created::Ignored(reason)),
            Verdict::Denied(reason) => return Ok(Created::Denied(reason)),
        };
        let created = self.insert(tx, new, now)?;
        for older in supersedes {
            let older = self.deployment_in(tx, older)?;
            let from = older.phase.clone();
            let superseded = older.supersede(created.serial, now)?;
            transition(tx, &from, &superseded, now)?;
        }
        note_last(tx, &created)?;
        let answer = Answered::Deployment(created.serial);
        self.remember(tx, new.request.by, new.key.as_ref(), &answer, now)?;
        Ok(Created::New(created))
    }

    pub(super) fn insert(
        &self,
        tx: &Transaction<'_>,
        new: &NewDeployment,
        now: Timestamp,
    ) -> Result<Deployment, StoreError> {
        let project: i64 = tx
            .prepare_cached("SELECT project FROM app WHERE serial = ?1")?
            .query_row([new.app.0], |row| row.get(0))?;
        let iid = next_iid(tx, ProjectSerial(project))?;
        let (request, besides) = (&new.request, &new.particulars);
        let variables = self.sealed_variables(new.id, request)?;
        let (word, reference, sha, asked, image, release) = match &request.wanted {
            Wanted::Commit {
                reference,
                sha,
                asked,
            } => (
                "commit",
                Some(reference),
                Some(sha.as_str()),
                asked.as_deref(),
                None,
                None,
            ),
            Wanted::Image(image) => {
                let shown = besides.sha.as_ref().map(Sha::as_str);
                ("image", None, shown, None, Some(image.as_str()), None)
            }
            Wanted::Release(release) => ("release", None, None, None, None, Some(release.0)),
            Wanted::Restart => ("restart", None, None, None, None, None),
        };
        tx.execute(
            "INSERT INTO deployment (uuid, project, iid, app, environment, principal, initiated, wanted, branch, sha, asked, image,
                                     target_release, variables, phase, created_at, updated_at, ref, tag, written, task, payload,
                                     description, transient, production, ref_kind, job_event)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, coalesce(?10, json_extract(r.content, '$.sha')), ?11, ?12, ?13, ?14,
                    'queued', ?15, ?15,
                    coalesce(?9, ?12, m.ref, ''), CASE WHEN coalesce(?9, ?12) IS NULL THEN coalesce(m.tag, 0) ELSE ?16 END,
                    nullif(?17, coalesce(?9, ?12, m.ref, '')), ?18, ?19, ?20, ?21, coalesce(?22, (SELECT name = 'production' FROM environment WHERE serial = ?5)),
                    CASE WHEN coalesce(?9, ?12) IS NULL THEN m.ref_kind ELSE ?23 END, ?24
             FROM (SELECT CASE WHEN ?8 IN ('release', 'restart')
                          THEN coalesce(?13, (SELECT live_release FROM environment WHERE serial = ?5)) END AS release) again
             LEFT JOIN release r ON r.serial = again.release LEFT JOIN deployment m ON m.serial = r.deployment",
            params![
                new.id.to_string(), project, iid, new.app.0, new.environment.0, request.by.0, trigger_word(request.trigger), word,
                reference.map(Reference::as_str), sha, asked, image, release, variables, now.0,
                reference.is_some_and(Reference::is_tag), besides.written, request.task.as_ref().map(TaskName::as_str),
                request.payload, besides.description, besides.transient, besides.production, reference.and_then(ref_kind),
                request.event.map(JobEvent::as_str)
            ],
        )?;
        let serial = DeploymentSerial(tx.last_insert_rowid());
        tx.execute(
            "INSERT INTO operation (environment, kind, deployment, created_at) VALUES (?1, 'deploy', ?2, ?3)",
            params![new.environment.0, serial.0, now.0],
        )?;
        connections::expected(tx, serial, new.environment)?;
        status_event(tx, serial, &Phase::Queued, now)?;
        self.deployment_in(tx, serial)
    }

    fn sealed_variables(&self, id: Uuid, request: &Request) -> Result<Option<Vec<u8>>, StoreError> {
        if request.variables.is_empty() {
            return Ok(None);
        }
        let plain = json("deployment", &request.variables)?;
        Ok(Some(
            self.seal.seal(&variables_place(id), plain.as_bytes())?,
        ))
    }

    /// A deployment by its serial.
    ///
    /// # Errors
    /// If there is none.
    pub fn deployment(&self, serial: DeploymentSerial) -> Result<Deployment, StoreError> {
        self.read(|tx| self.deployment_in(tx, serial))
    }

    /// A deployment that was executed here, unless it was deleted.
    ///
    /// # Errors
    /// If the database fails.
    pub fn find_deployment(&self, which: DeploymentRef) -> Result<Option<Deployment>, StoreError> {
        let (column, value) = which_row(which);
        let sql = format!(
            "SELECT {DEPLOYMENT} FROM deployment d WHERE d.{column} = ?1 AND d.wanted <> 'recorded' AND d.hidden_at IS NULL"
        );
        self.read(|tx| {
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query([&value])?;
            rows.next()?.map(|row| self.deployment_row(row)).transpose()
        })
    }

    pub(super) fn deployment_in(
        &self,
        tx: &Connection,
        serial: DeploymentSerial,
    ) -> Result<Deployment, StoreError> {
        let sql = format!("SELECT {DEPLOYMENT} FROM deployment d WHERE d.serial = ?1");
        let mut statement = tx.prepare_cached(&sql)?;
        let mut rows = statement.query([serial.0])?;
        match rows.next()? {
            Some(row) => self.deployment_row(row),
            None => Err(inconsistent("deployment", serial, "is missing")),
        }
    }

    /// Queued → Running: with the spec and the variables it will run with, the run that belongs to it, and its first step's
    /// budget. Without a spec (the configuration no longer names the environment) it can only fail. False: nothing is written,
    /// because it waits for the end of runs that stand alone.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if it is no longer queued.
    pub fn start_deployment(
        &self,
        from: &Phase,
        started: &Deployment,
        spec: Option<&Spec>,
        run: Option<&OwnRun>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write_sparing("start_deployment", |tx| {
            if let Some(run) = run {
                let of = (Cause::Deployment(started.serial), started.request.by);
                if !begin_with_run(tx, started.environment, run, of, now)? {
                    return Ok(false);
                }
            }
            transition(tx, from, started, now)?;
            let text = spec.map(|spec| json("deployment", spec)).transpose()?;
            let variables = self.sealed_variables(started.id, &started.request)?;
            tx.execute(
                "UPDATE deployment SET spec = ?2, variables = ?3 WHERE serial = ?1",
                params![started.serial.0, text, variables],
            )?;
            begin_step(tx, started, spec, now)?;
            Ok(true)
        })
    }

    /// A step is done and the next begins; what the step found is kept with it.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if it is no longer in that step.
    pub fn advance(
        &self,
        from: &Phase,
        advanced: &Deployment,
        result: StepResult<'_>,
        spec: &Spec,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write_sparing("advance", |tx| {
            transition(tx, from, advanced, now)?;
            result.write(tx, advanced.serial)?;
            end_step(tx, advanced.serial, from, now)?;
            begin_step(tx, advanced, Some(spec), now)
        })
    }

    /// The image a rollout pulled, so that a resumed one does not ask again.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if it is no longer in its rollout.
    pub fn record_image(&self, deployment: &Deployment, image: &Image) -> Result<(), StoreError> {
        self.write_sparing("record_image", |tx| {
            still(tx, deployment)?;
            StepResult::Image(image).write(tx, deployment.serial)
        })
    }

    /// The spec a deployment started with; `None` if it never started, or the configuration had none for it.
    ///
    /// # Errors
    /// If the database fails.
    pub fn spec(&self, deployment: DeploymentSerial) -> Result<Option<Spec>, StoreError> {
        self.kept(deployment, "spec")
    }

    /// The image a deployment built or pulled.
    ///
    /// # Errors
    /// If the database fails.
    pub fn result_image(&self, deployment: DeploymentSerial) -> Result<Option<Image>, StoreError> {
        self.kept(deployment, "result")
    }

    /// What a column of JSON keeps of a deployment.
    fn kept<T: DeserializeOwned>(
        &self,
        deployment: DeploymentSerial,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        let sql = format!("SELECT {column} FROM deployment WHERE serial = ?1");
        let text: Option<String> =
            self.read(|tx| Ok(tx.query_row(&sql, [deployment.0], |row| row.get(0))?))?;
        text.map(|text| from_json("deployment", deployment.0, &text))
            .transpose()
    }

    /// Committed → Succeeded.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if it is not committed.
    pub fn succeed(
        &self,
        from: &Phase,
        succeeded: &Deployment,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write("succeed", |tx| {
            transition(tx, from, succeeded, now)?;
            connections::synced(tx, succeeded.serial, now)
        })
    }

    /// Failed or Cancelled: the outcome, and with it what remains to be undone.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if somebody else was first.
    pub fn end(
        &self,
        from: &Phase,
        ended: &Deployment,
        slug: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write("end", |tx| end_in(tx, from, ended, slug, now))
    }
}

/// What kind of reference it is, where `tag` does not say it.
fn ref_kind(reference: &Reference) -> Option<&'static str> {
    match reference {
        Reference::Branch(_) | Reference::Tag(_) => None,
        Reference::Commit(_) | Reference::Other(_) => Some(reference.kind()),
    }
}

/// The deployment with the environment it is for, and whether that was made now: its preview, if it is for one.
fn at_home<'a>(
    store: &Store,
    tx: &Transaction<'_>,
    new: &'a NewDeployment,
    now: Timestamp,
) -> Result<Result<(Cow<'a, NewDeployment>, bool), NoPreview>, StoreError> {
    let Some(preview) = &new.preview else {
        return Ok(Ok((Cow::Borrowed(new), false)));
    };
    store.disk.room()?;
    let found = preview_in(store, tx, new.app, preview, now)?;
    Ok(found.map(|(environment, is_made)| {
        let new = NewDeployment {
            environment,
            ..new.clone()
        };
        (Cow::Owned(new), is_made)
    }))
}

/// One of the same commit or image that waits or runs in the environment.
fn same_unfinished(
    tx: &Transaction<'_>,
    new: &NewDeployment,
) -> Result<Option<DeploymentSerial>, StoreError> {
    let besides = &new.particulars;
    let (reference, (tag, kind), sha) = match &new.request.wanted {
        Wanted::Commit { reference, sha, .. } => {
            let kind = (reference.is_tag(), ref_kind(reference));
            (reference.as_str(), kind, Some(sha.as_str()))
        }
        // What runs has no commit; the caller may have said which one it is of.
        Wanted::Image(image) => {
            let shown = besides.sha.as_ref().map(Sha::as_str);
            (image.as_str(), (false, None), shown)
        }
        Wanted::Release(_) | Wanted::Restart => return Ok(None),
    };
    let found = tx
        .prepare_cached(
            "SELECT d.serial FROM operation o JOIN deployment d ON d.serial = o.deployment
             WHERE o.environment = ?1 AND o.done_at IS NULL AND d.ended_at IS NULL AND d.wanted IN ('commit', 'image')
               AND d.ref = ?2 AND d.tag = ?3 AND d.sha IS ?4 AND d.ref_kind IS ?5 AND d.written IS nullif(?6, d.ref) AND d.task IS ?7
               AND d.payload IS ?8 AND d.description IS ?9 AND d.transient = ?10
               AND d.production = coalesce(?11, d.production) AND d.job_event IS ?12
             ORDER BY d.serial DESC LIMIT 1",
        )?
        .query_row(
            params![
                new.environment.0,
                reference,
                tag,
                sha,
                kind,
                besides.written,
                new.request.task.as_ref().map(TaskName::as_str),
                new.request.payload,
                besides.description,
                besides.transient,
                besides.production,
                new.request.event.map(JobEvent::as_str)
            ],
            |row| row.get(0),
        )
        .optional()?;
    Ok(found.map(DeploymentSerial))
}

/// Writes an outcome before the commit, with what remains to be undone.
pub(super) fn end_in(
    tx: &Transaction<'_>,
    from: &Phase,
    ended: &Deployment,
    slug: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    transition(tx, from, ended, now)?;
    end_step(tx, ended.serial, from, now)?;
    end_with_deployment(tx, ended, now)?;
    if matches!(from, Phase::Queued) {
        return Ok(());
    }
    let candidates = serials(
        tx,
        "SELECT serial FROM container WHERE deployment = ?1 AND role IN ('candidate', 'task')",
        ended.serial,
    )?;
    let displaced = serials(
        tx,
        "SELECT serial FROM container WHERE displaced_by = ?1 AND role = 'live'",
        ended.serial,
    )?;
    tx.execute(
        "UPDATE container SET displaced_by = NULL WHERE displaced_by = ?1",
        [ended.serial.0],
    )?;
    write_settlements(
        tx,
        ended.environment,
        Some(ended.serial),
        &leftovers(ended, slug, &candidates, &displaced),
        // No request was ever sent to a candidate.
        None,
        now,
    )?;
    connections::given_up(tx, ended, now)
}

fn serials(
    tx: &Transaction<'_>,
    sql: &str,
    deployment: DeploymentSerial,
) -> Result<Vec<ContainerSerial>, StoreError> {
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query_map([deployment.0], |row| row.get(0).map(ContainerSerial))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
