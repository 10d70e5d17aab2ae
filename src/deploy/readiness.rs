//! Waiting until a new container is ready. The first question comes at once, the next ones after a few milliseconds,
//! backing off to the configured interval.

use super::failures;
use super::interrupt::{Interrupt, Stop};
use super::patience::Backoff;
use super::walk::Walk;
use crate::core::container::ContainerRow;
use crate::core::deployment::Step;
use crate::core::failure::{Failure, FailureCode};
use crate::core::ports::{ContainerState, EngineError, HealthState, Observed, Probe, ProbeAnswer};
use crate::core::spec::{Check, Health};
use std::net::{SocketAddr, SocketAddrV4};
use std::time::Duration;

/// The first pause between two probes: a small server is up a few milliseconds after its start.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// What one look at a container told.
enum Look {
    Ready,
    NotYet(String),
    Ended {
        code: i64,
        out_of_memory: bool,
        error: Option<String>,
    },
    NeverWill(String),
}

impl Walk<'_> {
    /// Waits until the container is ready. The last question is asked when the time is up, however long the engine
    /// took for the ones before.
    pub(super) async fn until_ready(
        &self,
        interrupt: &Interrupt,
        row: &ContainerRow,
        health: &Health,
    ) -> Result<(), Stop> {
        let clock = &self.agent.ports.clock;
        let mut losses = self.agent.watch.losses();
        let mut began = clock.monotonic();
        let mut backoff = Backoff::new(FIRST_PAUSE, health.interval);
        loop {
            let waited = clock.monotonic() - began;
            let look = self.look(interrupt, row, health, waited);
            let why = match interrupt.race(look).await?? {
                Look::Ready => return Ok(()),
                // An engine that starts ends what ran without it: that says nothing of the container.
                Look::Ended { .. } if self.agent.watch.losses() != losses => {
                    losses = self.agent.watch.losses();
                    self.start_again(interrupt, row).await?;
                    began = clock.monotonic();
                    backoff = Backoff::new(FIRST_PAUSE, health.interval);
                    continue;
                }
                Look::Ended {
                    code,
                    out_of_memory,
                    error,
                } => return Err(ended(code, out_of_memory, error).into()),
                Look::NeverWill(why) => return Err(never(why).into()),
                Look::NotYet(why) => why,
            };
            if waited >= health.timeout {
                return Err(self.not_ready(row, health, &why).await.into());
            }
            let left = health.timeout - waited;
            interrupt
                .race(clock.sleep(backoff.pause().min(left)))
                .await?;
        }
    }

    /// Whether a container that was ready still runs.
    pub(super) async fn still_runs(
        &self,
        interrupt: &Interrupt,
        row: &ContainerRow,
    ) -> Result<(), Stop> {
        let engine = &self.agent.ports.engine;
        let observed = self
            .patience(interrupt, Step::Rollout)
            .call(async || engine.inspect(&row.name).await)
            .await?;
        match judge(
            &Check::StaysUp(Duration::ZERO),
            None,
            observed,
            Duration::ZERO,
        ) {
            Look::Ready | Look::NotYet(_) => Ok(()),
            Look::Ended {
                code,
                out_of_memory,
                error,
            } => Err(ended(code, out_of_memory, error).into()),
            Look::NeverWill(why) => Err(never(why).into()),
        }
    }

    async fn start_again(&self, interrupt: &Interrupt, row: &ContainerRow) -> Result<(), Stop> {
        let text = format!("{} ended with the engine: starting it again", row.name);
        self.journal.agent(Step::Rollout, &text);
        let engine = &self.agent.ports.engine;
        let started = self
            .patience(interrupt, Step::Rollout)
            .call(async || engine.start(&row.name).await)
            .await?;
        started.map_err(|error| failures::engine("start the container again", error).into())
    }

    /// One question, and a look whether the container still runs: something else could have answered.
    async fn look(
        &self,
        interrupt: &Interrupt,
        row: &ContainerRow,
        health: &Health,
        waited: Duration,
    ) -> Result<Look, Stop> {
        let answer = match &health.check {
            Check::Http { port, path } => {
                let address = SocketAddrV4::new(row.address, *port);
                Some(
                    self.agent
                        .ports
                        .ingress
                        .probe(&Probe::Http {
                            address,
                            path: path.clone(),
                        })
                        .await,
                )
            }
            Check::Tcp { port } => Some(
                self.agent
                    .ports
                    .ingress
                    .probe(&Probe::Tcp {
                        address: SocketAddrV4::new(row.address, *port),
                    })
                    .await,
            ),
            Check::Image | Check::StaysUp(_) => None,
        };
        let engine = &self.agent.ports.engine;
        let observed = self
            .patience(interrupt, Step::Rollout)
            .call(async || engine.inspect(&row.name).await)
            .await?;
        Ok(judge(&health.check, answer, observed, waited))
    }

    /// The time is up: says what the last answer was and, where it can be seen, where the app listens instead.
    async fn not_ready(&self, row: &ContainerRow, health: &Health, why: &str) -> Failure {
        let listening = self
            .agent
            .ports
            .engine
            .listening(&row.name)
            .await
            .unwrap_or_default();
        let (elsewhere, next) = match &health.check {
            Check::Http { port, .. } | Check::Tcp { port } => advice(*port, &listening),
            Check::Image => (
                String::new(),
                "Look at what the image's HEALTHCHECK runs, or set another `health`.".to_owned(),
            ),
            Check::StaysUp(_) => (
                String::new(),
                "Raise health.timeout above stays_up and deploy again.".to_owned(),
            ),
        };
        Failure {
            code: FailureCode::NotReady,
            message: format!(
                "the container was not ready after {}: {why}{elsewhere}",
                humantime::format_duration(health.timeout)
            ),
            output: Vec::new(),
            next,
        }
    }
}

fn judge(
    check: &Check,
    answer: Option<ProbeAnswer>,
    observed: Result<Option<Observed>, EngineError>,
    waited: Duration,
) -> Look {
    let state = match observed {
        Ok(Some(observed)) => observed.state,
        Ok(None) => {
            return Look::NeverWill("it was removed by somebody else while it was starting".into());
        }
        Err(error) => return Look::NotYet(error.to_string()),
    };
    let health = match state {
        ContainerState::Exited {
            code,
            out_of_memory,
            error,
        } => {
            return Look::Ended {
                code,
                out_of_memory,
                error,
            };
        }
        ContainerState::Created => return Look::NotYet("it has not started".into()),
        ContainerState::Running { health } => health,
    };
    match (check, answer) {
        (Check::Http { .. } | Check::Tcp { .. }, Some(ProbeAnswer::Ready)) => Look::Ready,
        (Check::Http { .. } | Check::Tcp { .. }, Some(ProbeAnswer::NotReady(why))) => {
            Look::NotYet(why)
        }
        (Check::Http { .. } | Check::Tcp { .. }, None) => Look::NotYet("it was not asked".into()),
        (Check::Image, _) => match health {
            Some(HealthState::Healthy) => Look::Ready,
            Some(HealthState::Starting) => {
                Look::NotYet("the image's HEALTHCHECK has not said healthy yet".into())
            }
            Some(HealthState::Unhealthy) => {
                Look::NotYet("the image's HEALTHCHECK says unhealthy".into())
            }
            None => Look::NeverWill(
                "health = { image = true } needs a HEALTHCHECK, and the image has none".into(),
            ),
        },
        (Check::StaysUp(long_enough), _) if waited >= *long_enough => Look::Ready,
        (Check::StaysUp(long_enough), _) => Look::NotYet(format!(
            "it has not run for {} yet",
            humantime::format_duration(*long_enough)
        )),
    }
}

/// Where the app listens instead, and what to do about it.
fn advice(port: u16, listening: &[SocketAddr]) -> (String, String) {
    let on_port: Vec<&SocketAddr> = listening
        .iter()
        .filter(|address| address.port() == port)
        .collect();
    if !on_port.is_empty() && on_port.iter().all(|address| address.ip().is_loopback()) {
        return (
            format!(
                "; it listens on {} only, which nobody outside the container can reach",
                on_port[0]
            ),
            format!("Make the app listen on 0.0.0.0:{port} and deploy again."),
        );
    }
    // The engine's own name server listens on a loopback port inside every container: it is not the app's.
    let elsewhere: Vec<String> = listening
        .iter()
        .filter(|address| address.port() != port && !address.ip().is_loopback())
        .map(SocketAddr::to_string)
        .collect();
    match elsewhere.first() {
        Some(_) => (
            format!(
                "; it listens on {}, not on port {port}",
                elsewhere.join(", ")
            ),
            format!(
                "Make the app listen on port {port}, or set the app's `port` to where it listens, and deploy again."
            ),
        ),
        None => (
            String::new(),
            "Read its output; if it only needs longer, raise health.timeout, and deploy again."
                .to_owned(),
        ),
    }
}

fn ended(code: i64, out_of_memory: bool, error: Option<String>) -> Failure {
    let (how, next) = match (out_of_memory, code, error) {
        (true, _, _) => (
            "was killed because it used more memory than its limit".to_owned(),
            "Raise `memory` and deploy again.",
        ),
        (false, _, Some(error)) if !error.is_empty() => (
            format!("could not be started: {error}"),
            "Check `command` and `entrypoint`, and deploy again.",
        ),
        (false, 127, _) => (
            "ended with status 127: its command was not found".to_owned(),
            "Check `command` and the image's entrypoint, and deploy again.",
        ),
        (false, 0, _) => (
            "ended with status 0: its program finished".to_owned(),
            "A service must keep running: start it in the foreground, and deploy again.",
        ),
        (false, code, _) => (
            format!("ended with status {code}"),
            "Read its output above, mend the cause and deploy again.",
        ),
    };
    Failure {
        code: FailureCode::ContainerExited,
        message: format!("the container {how} before it was ready"),
        output: Vec::new(),
        next: next.into(),
    }
}

fn never(why: String) -> Failure {
    Failure {
        code: FailureCode::NotReady,
        message: format!("the container can never become ready: {why}"),
        output: Vec::new(),
        next: "Set the app's `health` to something the image can answer, and deploy again.".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(health: Option<HealthState>) -> Result<Option<Observed>, EngineError> {
        Ok(Some(Observed {
            name: "c".into(),
            state: ContainerState::Running { health },
        }))
    }

    #[test]
    fn an_answer_counts_only_while_the_container_itself_runs() {
        let check = Check::Tcp { port: 80 };
        let exited = ContainerState::Exited {
            code: 1,
            out_of_memory: false,
            error: None,
        };
        let gone = Ok(Some(Observed {
            name: "c".into(),
            state: exited,
        }));
        assert!(matches!(
            judge(&check, Some(ProbeAnswer::Ready), gone, Duration::ZERO),
            Look::Ended { code: 1, .. }
        ));
        assert!(matches!(
            judge(
                &check,
                Some(ProbeAnswer::Ready),
                running(None),
                Duration::ZERO
            ),
            Look::Ready
        ));
    }

    #[test]
    fn a_failed_look_concludes_nothing() {
        let failed = Err(EngineError::Refused("busy".into()));
        assert!(matches!(
            judge(&Check::Image, None, failed, Duration::ZERO),
            Look::NotYet(_)
        ));
    }

    #[test]
    fn a_wrong_port_and_a_loopback_only_listener_are_named() {
        let (text, next) = advice(
            8080,
            &[
                "127.0.0.11:4444".parse().unwrap(),
                "0.0.0.0:9090".parse().unwrap(),
            ],
        );
        assert!(
            text.contains("0.0.0.0:9090, not on port 8080") && next.contains("`port`"),
            "{text} {next}"
        );
        let (text, next) = advice(8080, &["127.0.0.1:8080".parse().unwrap()]);
        assert!(
            text.contains("127.0.0.1:8080 only") && next.contains("0.0.0.0:8080"),
            "{text} {next}"
        );
        assert_eq!(advice(8080, &["127.0.0.11:4444".parse().unwrap()]).0, "");
    }

    #[test]
    fn an_image_without_a_health_check_is_not_waited_for() {
        assert!(matches!(
            judge(&Check::Image, None, running(None), Duration::ZERO),
            Look::NeverWill(_)
        ));
        let healthy = running(Some(HealthState::Healthy));
        assert!(matches!(
            judge(&Check::Image, None, healthy, Duration::ZERO),
            Look::Ready
        ));
    }
}
