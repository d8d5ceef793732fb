//! A webhook: JSON by POST, signed where a secret is set.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use reqwest::{Client, Url};
use ring::hmac;
use serde::Serialize;

use super::channel::{Channel, Retry, SendError, http_client, http_url, judge, server};
use super::message::Message;
use super::secret::Secret;

/// The header with the message's id: the same one, however often a message is sent.
const ID_HEADER: &str = "x-ifrit-message";

/// The header with `sha256=` and the HMAC-SHA256 of the body in hexadecimal digits.
const SIGNATURE_HEADER: &str = "x-ifrit-signature";

/// An HTTP server that takes messages.
pub(super) struct Webhook {
    client: Client,
    url: Url,
    secret: Option<Secret>,
}

/// A message as webhooks get it; docs/guides/notifications.md shows one.
#[derive(Serialize)]
struct Payload<'a> {
    id: &'a str,
    created_at: String,
    urgency: &'a str,
    kind: Option<&'a str>,
    title: &'a str,
    text: &'a str,
    vulnerability: Option<&'a str>,
    packages: &'a [String],
    severity: Option<&'a str>,
    exploited: bool,
    exposed: bool,
    hosts: &'a BTreeMap<String, usize>,
    command: Option<&'a str>,
}

impl Webhook {
    /// Makes one.
    pub(super) fn new(url: &str, secret: Option<Secret>, timeout: Duration) -> Result<Self, String> {
        Ok(Self { client: http_client(timeout)?, url: http_url(url)?, secret })
    }
}

impl Channel for Webhook {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let body = &message.body;
        let payload = Payload {
            id: &message.id,
            created_at: message.created_at.to_string(),
            urgency: message.urgency.as_str(),
            kind: body.kind.as_deref(),
            title: &message.title,
            text: &body.text,
            vulnerability: body.vulnerability.as_deref(),
            packages: &body.packages,
            severity: body.severity.as_deref(),
            exploited: body.exploited,
            exposed: body.exposed,
            hosts: &body.hosts,
            command: body.command.as_deref(),
        };
        let body =
            serde_json::to_vec(&payload).map_err(|error| SendError::new(error.to_string(), Retry::Later))?;
        let mut request = self.client.post(self.url.clone());
        request = request.header("content-type", "application/json").header(ID_HEADER, &message.id);
        if let Some(secret) = &self.secret {
            request = request.header(SIGNATURE_HEADER, signature(secret, &body));
        }
        judge(request.body(body).send().await)
    }

    /// The path of a webhook is often its password.
    fn target(&self) -> String {
        server(&self.url)
    }
}

fn signature(secret: &Secret, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let mut text = "sha256=".to_owned();
    for byte in hmac::sign(&key, body).as_ref() {
        write!(text, "{byte:02x}").expect("invariant: writing to a String does not fail");
    }
    text
}
