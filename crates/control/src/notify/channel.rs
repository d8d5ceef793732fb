//! The seam between messages and the ways they go.

use std::future::Future;
use std::sync::Once;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};

use super::message::Message;

/// What ifrit calls itself.
const USER_AGENT: &str = concat!("ifrit/", env!("CARGO_PKG_VERSION"));

/// The longest reason that is kept of a failure, in characters.
const REASON_CHARS_MAX: usize = 300;

/// A way to people. A real seam: ntfy, webhook, mail.
pub(super) trait Channel: Send + Sync {
    /// Sends one message, once.
    fn send(&self, message: &Message) -> impl Future<Output = Result<(), SendError>> + Send;

    /// Names where it leads to, without what may be secret: a topic, a path.
    fn target(&self) -> String;
}

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SendError {
    /// For people; no secret is in it.
    pub(super) reason: String,
    /// Whether trying again can help.
    pub(super) retry: Retry,
}

/// When trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    /// Soon.
    Soon,
    /// Not before this time has passed, says the other side.
    After(Duration),
    /// Not until a person has changed something.
    Later,
}

impl SendError {
    pub(super) fn new(reason: impl Into<String>, retry: Retry) -> Self {
        let reason: String = reason.into();
        let harmless = |c: char| if c.is_control() { ' ' } else { c };
        Self { reason: reason.chars().take(REASON_CHARS_MAX).map(harmless).collect(), retry }
    }
}

/// Makes the HTTP client of one channel. No redirect is followed: it would carry the token elsewhere.
pub(super) fn http_client(timeout: Duration) -> Result<Client, String> {
    static PROVIDER: Once = Once::new();
    // Fails only where somebody else has set a provider, which then serves as well.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    let builder = Client::builder().user_agent(USER_AGENT).timeout(timeout).connect_timeout(timeout);
    let client = builder.redirect(Policy::none()).referer(false).build();
    client.map_err(|error| format!("HTTPS cannot be set up: {error}"))
}

/// Reads a channel's URL: HTTPS, or plain HTTP on this machine.
pub(super) fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("the URL cannot be used: {error}"))?;
    let is_allowed = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    if is_allowed {
        Ok(url)
    } else {
        Err("the URL must begin with https:// (http:// on this machine only)".to_owned())
    }
}

/// Says whether a URL leads to this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Names a server: scheme, host, port.
pub(super) fn server(url: &Url) -> String {
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

/// Judges an HTTP server's answer.
pub(super) fn judge(answer: Result<Response, reqwest::Error>) -> Result<(), SendError> {
    let response = answer.map_err(|error| {
        let timed_out = error.is_timeout();
        let error = error.without_url();
        let mut cause: &dyn std::error::Error = &error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let reason = if timed_out { "no answer in time".to_owned() } else { cause.to_string() };
        SendError::new(reason, Retry::Soon)
    })?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let reason = format!("the server answered {status}");
    let retry = match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            retry_after(response.headers()).map_or(Retry::Soon, Retry::After)
        }
        StatusCode::REQUEST_TIMEOUT => Retry::Soon,
        status if status.is_server_error() => Retry::Soon,
        _ => Retry::Later,
    };
    Err(SendError::new(reason, retry))
}

/// Only the form in seconds: the other one needs the server's clock to be right.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}
