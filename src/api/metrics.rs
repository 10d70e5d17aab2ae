//! `GET /metrics`: figures in Prometheus' text format. What the daemon does is asked of it at each scrape; what comes in
//! over HTTP is counted here as it passes.

use super::auth::{self, Peer};
use super::follow::Followers;
use super::{Api, root_error};
use crate::core::access::TurnedAway;
use crate::core::action::{Action, Reply};
use crate::core::error::Error;
use crate::core::measure::{Durations, Measurements, STEP_BOUNDS};
use axum::Extension;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::prometheus_text::{CONTENT_TYPE, encode};
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::iter::once;

/// The upper bounds of the classes that requests' durations are counted in, in seconds.
const BOUNDS: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

/// What was counted of the requests. Routes are templates, so that nobody can make more of them by asking.
#[derive(Clone, Debug)]
pub(super) struct Requests {
    count: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
}

/// The route of an answer whose dialect finds its places by itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route(pub(super) &'static str);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
    method: &'static str,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            count: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BOUNDS)),
        }
    }
}

/// Counts a request when the head of its answer is known.
pub(super) async fn count(
    State(api): State<Api>,
    Extension(requests): Extension<Requests>,
    request: Request,
    next: Next,
) -> Response {
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let method = word(request.method());
    let began = api.agent.monotonic();
    let response = next.run(request).await;
    let took = api.agent.monotonic().saturating_sub(began);
    let found = response.extensions().get::<Route>();
    let matched = matched.as_ref().map(MatchedPath::as_str);
    let route = found.map(|Route(template)| *template).or(matched);
    let route = route.map_or("none", |path| path.trim_end_matches('/'));
    let route = route.to_owned();
    let labels = RequestLabels {
        route: route.clone(),
        method,
        status: class(response.status()),
    };
    requests.count.get_or_create(&labels).inc();
    let labels = RouteLabels { route, method };
    let seconds = requests.seconds.get_or_create(&labels);
    seconds.observe(took.as_secs_f64());
    response
}

/// Somebody can send any word as a method.
fn word(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let found = known.into_iter().find(|known| method.as_str() == *known);
    found.unwrap_or("other")
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

/// For users of the socket, and for tokens that may look at everything.
pub(super) async fn show(
    State(api): State<Api>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Extension(requests): Extension<Requests>,
    Extension(followers): Extension<Followers>,
    headers: HeaderMap,
) -> Response {
    // Counted like everything else, so that nobody can try out tokens here.
    let (_, caller) = api
        .agent
        .let_in(&peer.into(), auth::bearer(&headers).as_ref());
    let measured = match caller {
        Ok(caller) => api.agent.dispatch(&caller, Action::Measure).await,
        Err(turned_away) => return turned_back(turned_away),
    };
    let figures = match measured {
        Ok(Reply::Measurements(figures)) => *figures,
        Ok(other) => {
            tracing::error!(?other, "a reply does not fit its action");
            return root_error(StatusCode::INTERNAL_SERVER_ERROR, "Internal error");
        }
        Err(Error::Forbidden(_)) => {
            let message = "A token for deploy:read over every app is required";
            return root_error(StatusCode::FORBIDDEN, message);
        }
        Err(error) => {
            return root_error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string());
        }
    };
    let mut registry = Registry::with_prefix("longshore");
    registry.register(
        "http_requests",
        "Requests by route, method and class of status",
        requests.count,
    );
    registry.register_with_unit(
        "http_request_duration",
        "Time from a request to the head of its answer",
        Unit::Seconds,
        requests.seconds,
    );
    let of_ingress = figures.ingress.clone();
    registry.register_collector(Box::new(Scrape {
        figures,
        followers: followers.count(),
        resident_bytes: api.resident_bytes.as_ref().and_then(|read| read()),
    }));
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => {
            text.push_str(of_ingress.as_deref().unwrap_or_default());
            ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "the figures cannot be written");
            root_error(StatusCode::INTERNAL_SERVER_ERROR, "Internal error")
        }
    }
}

fn turned_back(turned_away: TurnedAway) -> Response {
    let answer = match turned_away {
        TurnedAway::TooMany(exceeded) => {
            let wait = [(header::RETRY_AFTER, HeaderValue::from(exceeded.retry_after))];
            let answer = root_error(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
            return (wait, answer).into_response();
        }
        TurnedAway::NoToken => "A token is required",
        TurnedAway::UnknownToken | TurnedAway::RevokedToken => {
            "The token is not known, or no longer holds"
        }
        TurnedAway::ExpiredToken => "The token's time is over",
        TurnedAway::Failed(error) => {
            return root_error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string());
        }
    };
    let challenge = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
    let answer = root_error(StatusCode::UNAUTHORIZED, answer);
    (challenge, answer).into_response()
}

/// What the daemon says of itself at one moment.
#[derive(Debug)]
struct Scrape {
    figures: Measurements,
    followers: usize,
    resident_bytes: Option<u64>,
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let figures = &self.figures;
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        gauge(
            &mut encoder,
            "build_info",
            "1, with the version",
            None,
            once((version, 1u64)),
        )?;
        let up = u64::from(figures.engine_up);
        gauge(
            &mut encoder,
            "engine_up",
            "Whether the Docker engine's events are followed",
            None,
            once((NONE, up)),
        )?;
        self.ingress(&mut encoder)?;
        let unfinished = figures
            .unfinished
            .iter()
            .map(|(phase, count)| ([("phase", *phase)], *count));
        gauge(
            &mut encoder,
            "operations_unfinished",
            "Operations that are queued, at work or being cleared up",
            None,
            unfinished,
        )?;
        gauge(
            &mut encoder,
            "followers",
            "Logs and event streams that are followed",
            None,
            once((NONE, self.followers as u64)),
        )?;
        gauge(
            &mut encoder,
            "store",
            "Size of the database with its write-ahead log",
            Some(Unit::Bytes),
            once((NONE, figures.store_bytes)),
        )?;
        if let Some(bytes) = self.resident_bytes {
            gauge(
                &mut encoder,
                "process_resident_memory",
                "Resident memory",
                Some(Unit::Bytes),
                once((NONE, bytes)),
            )?;
        }
        let started = ConstGauge::new(figures.started_at);
        let seconds = Unit::Seconds;
        let about = "When this process began, since 1970";
        let described = encoder.encode_descriptor(
            "process_start_time",
            about,
            Some(&seconds),
            MetricType::Gauge,
        )?;
        started.encode(described)?;
        self.outcomes(&mut encoder)?;
        self.steps(&mut encoder)
    }
}

const NONE: [(&str, &str); 0] = [];

impl Scrape {
    /// How the ingress is seen from here; what it counted itself is appended as it says it.
    fn ingress(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let figures = &self.figures;
        gauge(
            encoder,
            "ingress_up",
            "Whether the ingress answered this scrape",
            None,
            once((NONE, u64::from(figures.ingress.is_some()))),
        )?;
        let table = figures.table;
        let generations = [("wanted", Some(table.wanted)), ("held", table.held)];
        let known = generations.into_iter().filter_map(|(which, generation)| {
            let generation = u64::try_from(generation?).ok()?;
            Some(([("which", which)], generation))
        });
        gauge(
            encoder,
            "route_table_generation",
            "The newest route table, and the one the ingress holds as far as the daemon knows",
            None,
            known,
        )
    }

    fn outcomes(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let about = "Deployments that ended since the process began";
        let mut family =
            encoder.encode_descriptor("deployments", about, None, MetricType::Counter)?;
        for ((app, environment, stage), count) in &self.figures.outcomes {
            let labels = [
                ("app", app.as_str()),
                ("environment", environment.as_str()),
                ("outcome", stage.as_str()),
            ];
            ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn steps(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let about = "How long steps of deployments took that ended since the process began";
        let unit = Unit::Seconds;
        let mut family = encoder.encode_descriptor(
            "step_duration",
            about,
            Some(&unit),
            MetricType::Histogram,
        )?;
        for (step, durations) in &self.figures.steps {
            let labels = [("step", step.as_str())];
            let mut one = family.encode_family(&labels)?;
            let classes = classes(durations);
            one.encode_histogram::<NoLabelSet>(
                durations.sum.as_secs_f64(),
                durations.count(),
                &classes,
                None,
            )?;
        }
        Ok(())
    }
}

fn classes(durations: &Durations) -> Vec<(f64, u64)> {
    let bounds = STEP_BOUNDS.into_iter().chain(once(f64::MAX));
    bounds.zip(durations.classes).collect()
}

/// A gauge that is what it is now, for each of these labels.
fn gauge<const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    about: &str,
    unit: Option<Unit>,
    values: impl Iterator<Item = ([(&'static str, &'static str); N], u64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, about, unit.as_ref(), MetricType::Gauge)?;
    for (labels, value) in values {
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
