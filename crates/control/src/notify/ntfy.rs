//! ntfy (<https://docs.ntfy.sh/publish/#publish-as-json>).

use std::time::Duration;

use reqwest::{Client, Url};
use serde::Serialize;
use store::MessageUrgency;

use super::channel::{Channel, Retry, SendError, http_client, http_url, judge, server};
use super::message::Message;
use super::secret::Secret;

/// Hexadecimal digits of a message's id that are shown as a tag.
const TAG_ID_CHARS: usize = 8;

/// A topic of a server.
pub(super) struct Ntfy {
    client: Client,
    server: Url,
    topic: String,
    token: Option<Secret>,
}

/// JSON and not headers, so that no name of a package ever stands in a header.
#[derive(Serialize)]
struct Publication<'a> {
    topic: &'a str,
    title: &'a str,
    message: &'a str,
    priority: u8,
    tags: Vec<String>,
    /// Servers since 2.16 take a message that comes twice for an update; older ones ignore it, and the
    /// last tag is what a duplicate is recognised by.
    sequence_id: &'a str,
}

impl Ntfy {
    /// Takes `https://SERVER/TOPIC` apart.
    pub(super) fn new(url: &str, token: Option<Secret>, timeout: Duration) -> Result<Self, String> {
        let url = http_url(url)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the URL holds a login; use `token_file` or `token_env`".to_owned());
        }
        let segments: Vec<&str> =
            url.path_segments().map(|it| it.filter(|part| !part.is_empty()).collect()).unwrap_or_default();
        let [topic] = segments.as_slice() else {
            return Err("expected https://SERVER/TOPIC".to_owned());
        };
        let is_topic = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if topic.len() > 64 || !topic.bytes().all(is_topic) {
            return Err("a topic has at most 64 letters, digits, `_` and `-`".to_owned());
        }
        let mut server = url.clone();
        server.set_path("/");
        server.set_query(None);
        Ok(Self { client: http_client(timeout)?, topic: (*topic).to_owned(), server, token })
    }
}

impl Channel for Ntfy {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let (priority, mark) = match message.urgency {
            MessageUrgency::Urgent => (5, "rotating_light"),
            MessageUrgency::Digest => (2, "bell"),
            MessageUrgency::Test => (3, "white_check_mark"),
        };
        let id: String = message.id.chars().take(TAG_ID_CHARS).collect();
        let publication = Publication {
            topic: &self.topic,
            title: &message.title,
            message: &message.body.text,
            priority,
            tags: vec![mark.to_owned(), format!("id-{id}")],
            sequence_id: &message.id,
        };
        let body = serde_json::to_vec(&publication)
            .map_err(|error| SendError::new(error.to_string(), Retry::Later))?;
        let mut request = self.client.post(self.server.clone()).body(body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        judge(request.send().await)
    }

    fn target(&self) -> String {
        server(&self.server)
    }
}
