//! What the ingress answers itself: why a request was not answered by an app, told so that it is clear whose the fault is.

use crate::core::route::Absence;
use std::fmt::Write as _;

/// Why a request was not passed on or not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// No route is for this host and path.
    NoRoute,
    /// There are no routes at all yet.
    NoTable,
    /// The route leads to nobody, on purpose.
    Absent(Absence),
    /// Nobody took a connection for as long as a request may wait.
    Unreachable,
    /// Too many wait for the same app already.
    Crowded,
    /// The ingress has no room for another connection.
    Full,
    /// The app closed the connection before its answer was whole.
    BrokeOff,
    /// The app's answer is not HTTP, or could be read in two ways.
    Nonsense(&'static str),
    /// The app did not answer in time.
    AppSlow,
    /// The request cannot be read, or could be in two ways.
    Bad(&'static str),
    /// The request line is too long.
    LineTooLong,
    /// The head is too large.
    HeadTooLarge,
    /// The body is too large.
    BodyTooLarge,
    /// The client did not send its request in time.
    ClientSlow,
    /// Not a method for a server behind a proxy.
    Method,
    /// An HTTP version that is not spoken here.
    Version,
    /// The client went away or takes no more: nobody is there to be answered.
    ClientGone,
}

/// Every fault there is, by the code it is counted under.
pub(in crate::ingress) const CODES: [&str; 20] = [
    "no_route",
    "no_table",
    "not_deployed",
    "stopped",
    "suspended",
    "no_port",
    "upstream_unreachable",
    "upstream_crowded",
    "ingress_full",
    "upstream_closed",
    "upstream_invalid",
    "upstream_timeout",
    "bad_request",
    "uri_too_long",
    "head_too_large",
    "body_too_large",
    "request_timeout",
    "method_not_allowed",
    "version_not_supported",
    "client_gone",
];

/// What nginx calls it in its log; nobody is sent it.
const CLIENT_CLOSED: u16 = 499;

impl Fault {
    /// The stable code in `x-longshore-error`.
    pub fn code(self) -> &'static str {
        CODES[self.index()]
    }

    /// Of its code in [`CODES`].
    pub fn index(self) -> usize {
        match self {
            Self::NoRoute => 0,
            Self::NoTable => 1,
            Self::Absent(Absence::NotDeployed) => 2,
            Self::Absent(Absence::Stopped) => 3,
            Self::Absent(Absence::Suspended) => 4,
            Self::Absent(Absence::NoPort) => 5,
            Self::Unreachable => 6,
            Self::Crowded => 7,
            Self::Full => 8,
            Self::BrokeOff => 9,
            Self::Nonsense(_) => 10,
            Self::AppSlow => 11,
            Self::Bad(_) => 12,
            Self::LineTooLong => 13,
            Self::HeadTooLarge => 14,
            Self::BodyTooLarge => 15,
            Self::ClientSlow => 16,
            Self::Method => 17,
            Self::Version => 18,
            Self::ClientGone => 19,
        }
    }

    pub fn status(self) -> u16 {
        match self {
            Self::NoRoute => 404,
            Self::NoTable | Self::Absent(_) | Self::Unreachable | Self::Crowded | Self::Full => 503,
            Self::BrokeOff | Self::Nonsense(_) => 502,
            Self::AppSlow => 504,
            Self::Bad(_) => 400,
            Self::LineTooLong => 414,
            Self::HeadTooLarge => 431,
            Self::BodyTooLarge => 413,
            Self::ClientSlow => 408,
            Self::Method => 405,
            Self::Version => 505,
            Self::ClientGone => CLIENT_CLOSED,
        }
    }

    pub fn reason(self) -> &'static str {
        match self.status() {
            400 => "Bad Request",
            404 => "Not Found",
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            413 => "Content Too Large",
            414 => "URI Too Long",
            431 => "Request Header Fields Too Large",
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            504 => "Gateway Timeout",
            505 => "HTTP Version Not Supported",
            _ => "Client Closed Request",
        }
    }

    /// In how many seconds asking again may help: soon what is starting or crowded, later what somebody must start.
    pub fn retry_after(self) -> Option<u32> {
        match self {
            Self::Unreachable | Self::Crowded | Self::Full | Self::NoTable => Some(2),
            Self::Absent(_) => Some(60),
            Self::NoRoute
            | Self::BrokeOff
            | Self::Nonsense(_)
            | Self::AppSlow
            | Self::Bad(_)
            | Self::LineTooLong
            | Self::HeadTooLarge
            | Self::BodyTooLarge
            | Self::ClientSlow
            | Self::Method
            | Self::Version
            | Self::ClientGone => None,
        }
    }

    /// Whether what follows on the connection cannot be trusted to be a request.
    pub fn ends_connection(self) -> bool {
        match self {
            Self::NoRoute
            | Self::NoTable
            | Self::Absent(_)
            | Self::Unreachable
            | Self::Crowded
            | Self::BrokeOff
            | Self::Nonsense(_)
            | Self::AppSlow => false,
            Self::Full
            | Self::Bad(_)
            | Self::LineTooLong
            | Self::HeadTooLarge
            | Self::BodyTooLarge
            | Self::ClientSlow
            | Self::Method
            | Self::Version
            | Self::ClientGone => true,
        }
    }

    /// A sentence for whoever sees the page.
    fn sentence(self) -> &'static str {
        match self {
            Self::NoRoute => "Nothing is served under this name and path.",
            Self::NoTable => "The server is starting and does not know its apps yet.",
            Self::Absent(Absence::NotDeployed) => "The app has not been deployed yet.",
            Self::Absent(Absence::Stopped) => "The app is stopped.",
            Self::Absent(Absence::Suspended) => "The app is suspended.",
            Self::Absent(Absence::NoPort) => "The app listens on no port.",
            Self::Unreachable => {
                "The app takes no connections at the moment. It may be starting; try again in a few seconds."
            }
            Self::Crowded => "Too many requests wait for the app already.",
            Self::Full => "The server has no room for another connection.",
            Self::BrokeOff => "The app closed the connection before it had answered.",
            Self::Nonsense(_) => "The app's answer is not valid HTTP.",
            Self::AppSlow => "The app did not answer in time.",
            Self::Bad(_) => "The request is not valid HTTP.",
            Self::LineTooLong => "The request's address is too long.",
            Self::HeadTooLarge => "The request's header fields are too large.",
            Self::BodyTooLarge => "The request's body is larger than what is allowed here.",
            Self::ClientSlow => "The request did not arrive in time.",
            Self::Method => "This method is not allowed here.",
            Self::Version => "This version of HTTP is not spoken here.",
            Self::ClientGone => "The client went away.",
        }
    }

    /// What exactly is wrong, where there is more to say.
    fn detail(self) -> Option<&'static str> {
        match self {
            Self::Bad(why) | Self::Nonsense(why) => Some(why),
            Self::NoRoute
            | Self::NoTable
            | Self::Absent(_)
            | Self::Unreachable
            | Self::Crowded
            | Self::Full
            | Self::BrokeOff
            | Self::AppSlow
            | Self::LineTooLong
            | Self::HeadTooLarge
            | Self::BodyTooLarge
            | Self::ClientSlow
            | Self::Method
            | Self::Version
            | Self::ClientGone => None,
        }
    }
}

/// What a client wants to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taste {
    Html,
    Json,
    Text,
}

impl Taste {
    /// Of an `Accept` header: browsers name HTML, programs that want JSON name it.
    pub fn of(accept: &[u8]) -> Self {
        let names = |what: &[u8]| {
            accept
                .windows(what.len())
                .any(|window| window.eq_ignore_ascii_case(what))
        };
        if names(b"text/html") {
            Self::Html
        } else if names(b"application/json") || names(b"+json") {
            Self::Json
        } else {
            Self::Text
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Json => "application/json",
            Self::Text => "text/plain; charset=utf-8",
        }
    }
}

/// The page. Nothing in it comes from the client or from an app: the request's id has been checked or is our own.
pub(super) fn page(fault: Fault, taste: Taste, request_id: &str) -> String {
    let (status, reason) = (fault.status(), fault.reason());
    let (sentence, detail) = (fault.sentence(), fault.detail().unwrap_or(""));
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = match taste {
        Taste::Html => {
            let detail = match detail {
                "" => String::new(),
                why => format!("<p>More exactly: {why}.</p>\n"),
            };
            writeln!(
                page,
                "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
                 <title>{status} {reason}</title>\n<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:15vh auto;padding:0 1em}}\
                 small{{color:#666}}</style>\n<h1>{status} {reason}</h1>\n<p>{sentence}</p>\n{detail}<p><small>{} · request {request_id}</small></p>\n</html>",
                fault.code()
            )
        }
        Taste::Json => writeln!(
            page,
            "{}",
            serde_json::json!({
                "status": status,
                "error": fault.code(),
                "message": sentence,
                "detail": fault.detail(),
                "request_id": request_id,
            })
        ),
        Taste::Text => {
            let detail = match detail {
                "" => String::new(),
                why => format!(" More exactly: {why}."),
            };
            writeln!(
                page,
                "{status} {reason}\n{sentence}{detail}\n{} · request {request_id}",
                fault.code()
            )
        }
    };
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_what_it_can_read() {
        for (accept, taste) in [
            ("text/html,application/xhtml+xml,*/*;q=0.8", Taste::Html),
            ("application/json", Taste::Json),
            ("application/problem+json", Taste::Json),
            ("*/*", Taste::Text),
            ("", Taste::Text),
        ] {
            assert_eq!(Taste::of(accept.as_bytes()), taste, "{accept}");
        }
    }

    #[test]
    fn every_page_names_the_code_and_the_request() {
        for taste in [Taste::Html, Taste::Json, Taste::Text] {
            let page = page(Fault::Bad("no Host"), taste, "abc");
            for part in ["bad_request", "abc", "no Host", "400"] {
                assert!(page.contains(part), "{part} in {page}");
            }
        }
    }
}
