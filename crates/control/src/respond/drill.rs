//! What an exercise is about.

use model::selector::Selector;
use model::{PackageName, VulnerabilityId};
use store::ClientScope;

use crate::error::Error;
use crate::findings::{FindingsQuery, findings, select};
use crate::inquiry::Inquiry;
use crate::session::Session;

/// What an exercise is about: something that is open and can be fixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillTarget {
    /// The vulnerability.
    pub id: VulnerabilityId,
    /// The source package.
    pub source: PackageName,
    /// How many of the hosts have it.
    pub hosts: usize,
}

/// Returns the most urgent finding with a fix on some hosts; `None` = there is none. The session is used up.
///
/// # Errors
/// [`Error::NoHost`] where nothing is selected; [`Error::Store`].
pub async fn most_urgent(
    session: Session,
    selector: Option<&Selector>,
) -> Result<Option<DrillTarget>, Error> {
    let hosts = match selector {
        Some(selector) => Some(select(&session, selector).await?),
        None => None,
    };
    let inquiry = Inquiry::from(session);
    let query = FindingsQuery {
        scope: ClientScope::All,
        hosts,
        severity: None,
        only_fixable: true,
        only_exploited: false,
    };
    let answer = findings(&inquiry, &query).await;
    inquiry.close().await;
    let target = |it: crate::findings::OpenFinding| DrillTarget {
        hosts: it.host_count(),
        source: it.source.clone(),
        id: it.id,
    };
    Ok(answer?.fixable.into_iter().next().map(target))
}
