//! Mail by SMTP (RFC 5321), always under TLS, but on this machine.

use std::time::Duration;

use lettre::message::{Mailbox, Mailboxes};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use reqwest::Url;

use super::channel::{Channel, Retry, SendError, is_loopback, server};
use super::message::Message;
use super::secret::Secret;

/// The port of submission with STARTTLS (RFC 6409).
const SUBMISSION_PORT: u16 = 587;

/// The port of submission under TLS (RFC 8314).
const SUBMISSIONS_PORT: u16 = 465;

/// A mail server and who gets mail by it.
pub(super) struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    url: Url,
    from: Mailbox,
    to: Mailboxes,
    password: Option<Secret>,
    timeout: Duration,
}

impl Mail {
    /// Makes one of `smtp://SERVER:PORT` or `smtps://SERVER:PORT`.
    pub(super) fn new(
        smtp: &str,
        from: &str,
        to: &[String],
        login: Option<(&str, Secret)>,
        timeout: Duration,
    ) -> Result<Self, String> {
        let url = Url::parse(smtp).map_err(|error| format!("`smtp` cannot be used: {error}"))?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or("`smtp` names no server")?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("`smtp` holds a login; use `user` and `password_file`".to_owned());
        }
        let tls =
            || TlsParameters::new(host.to_owned()).map_err(|error| format!("TLS cannot be set up: {error}"));
        let (port, tls) = match url.scheme() {
            "smtps" => (SUBMISSIONS_PORT, Tls::Wrapper(tls()?)),
            "smtp" if is_loopback(&url) => (SUBMISSION_PORT, Tls::Opportunistic(tls()?)),
            "smtp" => (SUBMISSION_PORT, Tls::Required(tls()?)),
            _ => return Err("`smtp` must begin with smtp:// or smtps://".to_owned()),
        };
        let address =
            |text: &str| text.parse().map_err(|error| format!("`{}`: {error}", text.escape_default()));
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(url.port().unwrap_or(port))
            .tls(tls)
            .timeout(Some(timeout));
        let password = login.as_ref().map(|(_, password)| password.clone());
        if let Some((user, password)) = login {
            builder = builder.credentials(Credentials::new(user.to_owned(), password.expose().to_owned()));
        }
        let to: Result<Vec<Mailbox>, String> = to.iter().map(|text| address(text)).collect();
        let from = address(from)?;
        Ok(Self { transport: builder.build(), from, to: to?.into_iter().collect(), url, password, timeout })
    }

    /// The id goes along as Message-ID: mail programs show a message that comes twice once.
    fn mail(&self, message: &Message) -> Result<lettre::Message, lettre::error::Error> {
        let mut builder = lettre::Message::builder()
            .from(self.from.clone())
            .subject(format!("[ifrit] {}", message.title))
            .message_id(Some(format!("<{}@{}>", message.id, self.from.email.domain())));
        for mailbox in self.to.iter() {
            builder = builder.to(mailbox.clone());
        }
        builder.body(format!("{}\n", message.body.text))
    }
}

impl Channel for Mail {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let mail = self.mail(message).map_err(|error| SendError::new(error.to_string(), Retry::Later))?;
        // The transport's own time-out counts for each of its steps.
        match tokio::time::timeout(self.timeout, self.transport.send(mail)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                let mut reason = error.to_string();
                let mut cause = std::error::Error::source(&error);
                while let Some(deeper) = cause {
                    let said = deeper.to_string();
                    if !reason.contains(&said) {
                        reason = format!("{reason}: {said}");
                    }
                    cause = deeper.source();
                }
                if let Some(password) = &self.password {
                    reason = password.scrub(&reason);
                }
                let retry = if error.is_permanent() { Retry::Later } else { Retry::Soon };
                Err(SendError::new(reason, retry))
            }
            Err(_) => Err(SendError::new("no answer in time", Retry::Soon)),
        }
    }

    fn target(&self) -> String {
        server(&self.url)
    }
}
