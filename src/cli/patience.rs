//! Asking again while the daemon is away: a restart takes seconds, and who watches a deployment does not care.

use super::client::ClientError;
use std::cell::RefCell;
use std::time::Duration;

/// How long a daemon may be away before we give up, unless the user says otherwise: longer than a restart with a
/// database to recover.
pub const DEFAULT_PATIENCE: &str = "60s";

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Who is told when the daemon is away and when it is back.
pub trait Waiting {
    /// It does not answer.
    fn away(&self);
    /// It does again.
    fn back(&self);
}

/// Asks until there is an answer that waiting cannot change, for as long as `limit`. The one told hears of it only
/// if the second try fails too.
pub async fn patiently<T>(
    limit: Duration,
    told: &impl Waiting,
    ask: impl AsyncFn() -> Result<T, ClientError>,
) -> Result<T, ClientError> {
    let last = match ask().await {
        Err(error) if error.may_pass() => RefCell::new(error),
        answer => return answer,
    };
    let again = async {
        let mut pause = FIRST_PAUSE;
        loop {
            tokio::time::sleep(pause).await;
            match ask().await {
                Err(error) if error.may_pass() => {
                    last.replace(error);
                }
                answer => {
                    if pause > FIRST_PAUSE {
                        told.back();
                    }
                    return answer;
                }
            }
            if pause == FIRST_PAUSE {
                told.away();
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    };
    let answer = tokio::time::timeout(limit, again).await;
    answer.unwrap_or_else(|_| Err(last.into_inner()))
}
