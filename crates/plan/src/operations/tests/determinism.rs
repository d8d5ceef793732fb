//! The same input gives the same bytes.

use super::team::{Team, shells};
use crate::facts::Facts;

#[test]
fn the_same_facts_give_the_same_bytes() {
    let team = Team::new("for i in range(20):\n    files.put(dest = \"/srv/x%d\" % i, content = \"a\")");
    let shell = &shells()[0];
    let plan = || {
        let host = model::HostPlan {
            client: model::ClientName::new("acme").expect("a name"),
            host: model::HostName::new("web-1").expect("a name"),
            facts_at: jiff::Timestamp::UNIX_EPOCH,
            fact_passes: 1,
            steps: team.steps(shell),
        };
        crate::write_plan(&crate::plan("d", vec![host], crate::Order::Together))
    };
    assert_eq!(plan(), plan());
    let first = format!("{:?}", team.evaluate(&Facts::default()));
    assert_eq!(first, format!("{:?}", team.evaluate(&Facts::default())));
}
