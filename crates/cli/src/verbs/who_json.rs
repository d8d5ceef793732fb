//! The JSON of `ifrit who`: one object per row.

use control::transport_word;
use control::who::{FindingIds, WhoAnswer, WhoRow};
use model::{Fix, Listener, VulnerabilityId};
use serde::Serialize;

/// A row as `--json` prints it.
#[derive(Serialize)]
pub struct Row<'a> {
    query: &'a str,
    client: &'a str,
    host: &'a str,
    state: &'a str,
    package: Option<&'a str>,
    source: Option<&'a str>,
    installed: Option<&'a str>,
    path: Option<&'a str>,
    fixed: Option<String>,
    id: &'a str,
    aliases: Vec<&'a str>,
    feeds: Vec<&'a str>,
    severity: Option<&'a str>,
    exploited: bool,
    exploited_since: Option<String>,
    epss: Option<f64>,
    epss_percentile: Option<f64>,
    services: Vec<Service<'a>>,
    findings: Option<Findings<'a>>,
    scanned_at: Option<String>,
    reason: &'a str,
}

/// A service that uses the package.
#[derive(Serialize)]
pub struct Service<'a> {
    name: &'a str,
    declared: bool,
    critical: bool,
    exposed: bool,
    /// `null` = not known.
    listens: Option<Vec<String>>,
}

/// What is said of a package that was asked for.
#[derive(Serialize)]
pub struct Findings<'a> {
    vulnerable: Vec<&'a str>,
    unknown: Vec<&'a str>,
    fixed: Vec<&'a str>,
}

/// Makes the object of a row.
pub fn json_row<'a>(answer: &'a WhoAnswer, row: &'a WhoRow) -> Row<'a> {
    let query = answer.ids.first().map_or(answer.query.as_str(), VulnerabilityId::as_str);
    let since = answer.exploited.as_ref().map(|entry| entry.added);
    let score = answer.score.as_ref().or_else(|| row.package.as_ref()?.score.as_ref());
    let own_since = row.package.as_ref().and_then(|it| it.exploited_since);
    Row {
        exploited: since.or(own_since).is_some(),
        exploited_since: since.or(own_since).map(|day| day.to_string()),
        epss: score.map(|score| score.probability.as_f64()),
        epss_percentile: score.map(|score| score.percentile.as_f64()),
        ..plain_row(query, row)
    }
}

/// Makes the object of a row by what the row itself says.
pub fn plain_row<'a>(query: &'a str, row: &'a WhoRow) -> Row<'a> {
    let package = row.package.as_ref();
    let score = package.and_then(|it| it.score.as_ref());
    let since = package.and_then(|it| it.exploited_since);
    Row {
        query,
        client: row.client.as_str(),
        host: row.host.as_str(),
        state: row.state.as_str(),
        package: package.map(|it| it.name.as_str()),
        source: package.map(|it| it.source.as_str()),
        installed: package.map(|it| it.installed.as_str()),
        path: row.path.as_deref(),
        fixed: package.and_then(|it| fixed(&it.fix)),
        id: package.and_then(|it| it.id.as_ref()).map_or(query, VulnerabilityId::as_str),
        aliases: package.iter().flat_map(|it| &it.aliases).map(VulnerabilityId::as_str).collect(),
        feeds: package.iter().flat_map(|it| &it.feeds).map(|feed| feed.as_str()).collect(),
        severity: package.and_then(|it| it.severity).map(|it| it.as_str()),
        exploited: since.is_some(),
        exploited_since: since.map(|day| day.to_string()),
        epss: score.map(|score| score.probability.as_f64()),
        epss_percentile: score.map(|score| score.percentile.as_f64()),
        services: row.services.iter().map(service).collect(),
        findings: package.and_then(|it| it.findings.as_ref()).map(findings),
        scanned_at: row.scanned_at.map(|at| at.to_string()),
        reason: row.reason.as_str(),
    }
}

fn service(service: &control::ServiceUse) -> Service<'_> {
    Service {
        name: &service.name,
        declared: service.declared.is_some(),
        critical: service.is_critical(),
        exposed: service.is_exposed(),
        listens: service.listeners.as_ref().map(|all| all.iter().map(socket).collect()),
    }
}

fn socket(listener: &Listener) -> String {
    let address = std::net::SocketAddr::new(listener.address, listener.port);
    format!("{} {address}", transport_word(listener.transport))
}

fn findings(findings: &FindingIds) -> Findings<'_> {
    Findings {
        vulnerable: findings.vulnerable.iter().map(VulnerabilityId::as_str).collect(),
        unknown: findings.unknown.iter().map(VulnerabilityId::as_str).collect(),
        fixed: findings.fixed.iter().map(VulnerabilityId::as_str).collect(),
    }
}

/// Returns the fixed version for JSON: `null` where there is none, `> V` where V is the last affected.
pub fn fixed(fix: &Fix) -> Option<String> {
    match fix {
        Fix::In(_) | Fix::After(_) => Some(fix.to_string()),
        Fix::NotYet | Fix::NotNeeded => None,
    }
}
