//! Fetches feeds over HTTPS. Whatever the server does, there is an answer within a known time and size.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::sync::Once;
use std::time::Duration;

use model::{Code, FeedName, Place, Problem};
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED, RETRY_AFTER,
};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Response, StatusCode, Url};

use crate::read::ReadError;
use crate::transport::{Content, Delivered, Delivery, FeedTransport, Validators, Wanted};

/// What ifrit calls itself.
const USER_AGENT: &str = concat!("ifrit/", env!("CARGO_PKG_VERSION"));

/// The time for connecting, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// The most redirects that are followed.
const REDIRECTS_MAX: usize = 5;

/// The longest `ETag` or `Last-Modified` that is kept, in bytes.
const VALIDATOR_BYTES_MAX: usize = 512;

/// How a server is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// The time for one attempt at one document, from connecting to the last byte.
    pub timeout: Duration,
    /// The largest document as it comes over the wire, in bytes.
    pub body_bytes_max: usize,
    /// How often a document is asked for where the network or the server fails.
    pub attempts: u32,
    /// The pause before the second attempt; it doubles from then on.
    pub first_pause: Duration,
    /// The longest pause, also if the server asks for a longer one: then it is not asked again.
    pub pause_max: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(120),
            body_bytes_max: 256 * 1024 * 1024,
            attempts: 3,
            first_pause: Duration::from_secs(1),
            pause_max: Duration::from_secs(30),
        }
    }
}

/// Fetches feeds over HTTPS; over plain HTTP from this machine only, for tests and local mirrors.
#[derive(Debug, Clone)]
pub struct HttpsTransport {
    client: Client,
    limits: HttpLimits,
}

impl HttpsTransport {
    /// Makes one. The certificates that the operating system trusts are trusted.
    ///
    /// # Errors
    /// [`ReadError::Http`] where there are none or TLS cannot be set up.
    pub fn new(limits: HttpLimits) -> Result<Self, ReadError> {
        static PROVIDER: Once = Once::new();
        // Fails only where somebody else has set a provider, which then serves as well.
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .timeout(limits.timeout)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(Policy::custom(redirect))
            .referer(false)
            .build()
            .map_err(|source| ReadError::Http { source: Box::new(source) })?;
        Ok(Self { client, limits })
    }
}

impl FeedTransport for HttpsTransport {
    async fn deliver(&self, wanted: &[Wanted]) -> Result<Vec<Delivery>, ReadError> {
        let mut deliveries: BTreeMap<FeedName, Vec<Delivered>> = BTreeMap::new();
        // A server that cannot be reached is asked once for each further document, not again and again.
        let mut unreachable: BTreeSet<String> = BTreeSet::new();
        for wanted in wanted {
            let server = server(&wanted.url);
            let attempts = if unreachable.contains(&server) { 1 } else { self.limits.attempts };
            let delivered = self.fetch(wanted, attempts).await.unwrap_or_else(|failure| {
                if failure.is_unreachable {
                    unreachable.insert(server);
                }
                Delivered {
                    label: wanted.url.clone(),
                    validators: Validators::default(),
                    fetched_at: None,
                    content: Content::Failed(failure.problem(wanted)),
                }
            });
            deliveries.entry(wanted.feed.clone()).or_default().push(delivered);
        }
        let delivery = |(feed, mut documents): (FeedName, Vec<Delivered>)| {
            documents.sort_by(|a, b| a.label.cmp(&b.label));
            Delivery { feed, documents, problems: Vec::new() }
        };
        Ok(deliveries.into_iter().map(delivery).collect())
    }
}

/// Why one attempt failed.
struct Failure {
    code: Code,
    message: String,
    /// How long to wait before trying again; `None` = trying again is no use.
    retry: Option<Retry>,
    /// Whether there was no connection at all.
    is_unreachable: bool,
}

enum Retry {
    /// As long as we like.
    Soon,
    /// The server said how long.
    After(Duration),
}

impl Failure {
    fn finally(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry: None, is_unreachable: false }
    }

    fn problem(self, wanted: &Wanted) -> Problem {
        let place = Place::Feed { feed: wanted.feed.to_string(), part: wanted.url.clone() };
        Problem::new(self.code, place, self.message)
    }
}

impl HttpsTransport {
    async fn fetch(&self, wanted: &Wanted, attempts: u32) -> Result<Delivered, Failure> {
        let url = checked_url(&wanted.url)?;
        let mut pause = self.limits.first_pause;
        let mut attempt = 1;
        loop {
            let failure = match self.attempt(&url, wanted).await {
                Ok(delivered) => return Ok(delivered),
                Err(failure) => failure,
            };
            let wait = match failure.retry {
                Some(Retry::Soon) => pause.min(self.limits.pause_max),
                Some(Retry::After(wait)) if wait <= self.limits.pause_max => wait,
                Some(Retry::After(_)) | None => return Err(failure),
            };
            if attempt >= attempts {
                let message = format!("{} (attempt {attempt} of {attempt})", failure.message);
                return Err(Failure { message, ..failure });
            }
            tokio::time::sleep(wait).await;
            attempt += 1;
            pause *= 2;
        }
    }

    async fn attempt(&self, url: &Url, wanted: &Wanted) -> Result<Delivered, Failure> {
        let mut request = self.client.get(url.clone()).header(ACCEPT_ENCODING, "gzip");
        let Validators { etag, last_modified } = &wanted.validators;
        for (name, value) in [(IF_NONE_MATCH, etag), (IF_MODIFIED_SINCE, last_modified)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let response = request.send().await.map_err(transport_failure)?;
        let label = wanted.url.clone();
        let delivered = |validators, content| Delivered { label, validators, fetched_at: None, content };
        match response.status() {
            StatusCode::OK => {
                let validators = validators(response.headers());
                let bytes = self.body(response).await?;
                Ok(delivered(validators, Content::New(bytes)))
            }
            StatusCode::NOT_MODIFIED if wanted.validators != Validators::default() => {
                Ok(delivered(wanted.validators.clone(), Content::Unchanged))
            }
            status => Err(status_failure(status, response.headers())),
        }
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, Failure> {
        // A gzip body stays as it is: whoever reads documents unpacks them, under caps of its own.
        let encoding = text(response.headers(), &CONTENT_ENCODING).unwrap_or_default();
        if !["", "identity", "gzip", "x-gzip"].contains(&encoding.as_str()) {
            let message = format!("the server sent content encoding `{encoding}`, only gzip was asked for");
            return Err(Failure::finally(Code::FeedUnreadable, message));
        }
        let limit = self.limits.body_bytes_max;
        let too_large =
            || Failure::finally(Code::FeedTooLarge, format!("the document is larger than {limit} bytes"));
        if response
            .content_length()
            .is_some_and(|length| usize::try_from(length).map_or(true, |it| it > limit))
        {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(transport_failure)? {
            if bytes.len() + chunk.len() > limit {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

/// The scheme, host and port of a URL.
fn server(url: &str) -> String {
    Url::parse(url).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
}

fn checked_url(text: &str) -> Result<Url, Failure> {
    let invalid =
        |why: &str| Failure::finally(Code::FeedUnreachable, format!("the URL cannot be used: {why}"));
    let url = Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
    if is_allowed(&url) { Ok(url) } else { Err(invalid("expected https:// (http:// on this machine only)")) }
}

/// Says whether documents may come from a URL: a feed that anybody on the way can change is worth nothing.
fn is_allowed(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Follows a few redirects, and none that leaves HTTPS or leads from elsewhere to this machine.
fn redirect(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let began_here = attempt.previous().first().is_some_and(is_loopback);
    if attempt.previous().len() > REDIRECTS_MAX {
        attempt.error(format!("more than {REDIRECTS_MAX} redirects"))
    } else if !is_allowed(attempt.url()) || (is_loopback(attempt.url()) && !began_here) {
        attempt.error("a redirect leaves HTTPS")
    } else {
        attempt.follow()
    }
}

fn transport_failure(error: reqwest::Error) -> Failure {
    let is_final = error.is_redirect() || error.is_builder();
    let is_unreachable = error.is_connect();
    let error = error.without_url();
    // The innermost cause says what is the matter; those between repeat each other.
    let mut innermost = error.source();
    while let Some(cause) = innermost.and_then(std::error::Error::source) {
        innermost = Some(cause);
    }
    let message = match innermost {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    let retry = (!is_final).then_some(Retry::Soon);
    Failure { code: Code::FeedUnreachable, message, retry, is_unreachable }
}

fn status_failure(status: StatusCode, headers: &HeaderMap) -> Failure {
    let message = format!("the server answered {status}");
    if status != StatusCode::TOO_MANY_REQUESTS && !status.is_server_error() {
        return Failure::finally(Code::FeedUnreachable, message);
    }
    // Only the form in seconds: the other one needs the server's clock to be right.
    let seconds = text(headers, &RETRY_AFTER).and_then(|text| text.trim().parse().ok());
    let (message, retry) = match seconds.map(Duration::from_secs) {
        Some(wait) => {
            (format!("{message} and asks to come back in {} s", wait.as_secs()), Retry::After(wait))
        }
        None => (message, Retry::Soon),
    };
    Failure { code: Code::FeedUnreachable, message, retry: Some(retry), is_unreachable: false }
}

fn validators(headers: &HeaderMap) -> Validators {
    let short = |name| text(headers, name).filter(|text| text.len() <= VALIDATOR_BYTES_MAX);
    Validators { etag: short(&ETAG), last_modified: short(&LAST_MODIFIED) }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
