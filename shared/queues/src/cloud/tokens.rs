//! Tokens, fetched when they are needed and kept until shortly before they end.

use super::{Answer, Call, Http, Source};
use crate::QueueError;
use secrecy::SecretString;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// A token that ends sooner than this is not used any more.
const MARGIN: Duration = Duration::from_mins(2);

/// However long a token says to be good, it is fetched again after this.
const MAX_LIFE: Duration = Duration::from_hours(24);

/// One identity's tokens. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Tokens(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: Http,
    source: Source,
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug)]
struct Kept {
    token: SecretString,
    until: Instant,
}

/// A token, and for how long it is good.
pub(crate) struct Fetched {
    pub(crate) token: SecretString,
    pub(crate) life: Duration,
}

impl Tokens {
    /// From that source.
    pub(crate) fn new(http: Http, source: Source) -> Self {
        Self(Arc::new(Inner {
            http,
            source,
            kept: Mutex::default(),
        }))
    }

    /// Makes a call with a token. One that was kept and is refused is fetched anew, once: it may have been revoked.
    ///
    /// # Errors
    /// [`QueueError`]: there is no token, or no answer.
    pub(crate) async fn send(&self, call: Call) -> Result<Answer, QueueError> {
        let (token, is_fresh) = self.get(None).await?;
        let answer = self.0.http.send(call.clone().bearer(&token)?).await?;
        if answer.status != 401 || is_fresh {
            return Ok(answer);
        }
        let (token, _) = self.get(Some(&token)).await?;
        self.0.http.send(call.bearer(&token)?).await
    }

    /// Makes a call with the token that is kept, whatever is answered: for a call that is refused however good the token is.
    ///
    /// # Errors
    /// [`QueueError`]: there is no token, or no answer.
    pub(crate) async fn send_once(&self, call: Call) -> Result<Answer, QueueError> {
        let (token, _) = self.get(None).await?;
        self.0.http.send(call.bearer(&token)?).await
    }

    /// A token that is not that one, and whether it was fetched just now. Whoever comes while another fetches it waits.
    async fn get(
        &self,
        refused: Option<&SecretString>,
    ) -> Result<(SecretString, bool), QueueError> {
        use secrecy::ExposeSecret;
        let mut kept = self.0.kept.lock().await;
        if let Some(known) = kept.as_ref()
            && known.until > Instant::now()
            && refused.is_none_or(|bad| bad.expose_secret() != known.token.expose_secret())
        {
            return Ok((known.token.clone(), false));
        }
        let now = SystemTime::now();
        let fetched = self.0.source.fetch(&self.0.http, now).await?;
        let life = fetched.life.min(MAX_LIFE).saturating_sub(MARGIN);
        *kept = Some(Kept {
            token: fetched.token.clone(),
            until: Instant::now() + life,
        });
        Ok((fetched.token, true))
    }
}
