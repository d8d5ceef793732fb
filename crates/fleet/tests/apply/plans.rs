//! Plans whose steps each leave one line behind.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use model::{Change, ClientName, Condition, HostName, HostPlan, PersonName, Place, Plan, Probe, Step};
use plan::{ApprovalCheck, ApprovalPolicy, ApprovedPlan};

/// Where steps leave their lines, one for each time that an action ran.
pub const EFFECTS: &str = "/root/effects";

/// Waits at a point for as long as the test holds it there, and says that it is there.
const HOLD: &str = "
hold() {
if [ -e \"/root/hold.$1\" ]; then
  : >\"/root/at.$1\"
  while [ -e \"/root/hold.$1\" ]; do sleep 0.05; done
fi
}
";

/// Stands for sync(1) on hosts where a test wants to strike between a line of the journal and what comes next.
pub const SYNC: &str = "#!/bin/sh
hold() {
if [ -e \"/root/hold.$1\" ]; then
  : >\"/root/at.$1\"
  while [ -e \"/root/hold.$1\" ]; do sleep 0.05; done
fi
}
/usr/bin/sync \"$@\"
case $(tail -n 1 \"$1\") in
'start '*) hold \"start.$(tail -n 1 \"$1\" | cut -d ' ' -f 2)\" ;;
done) hold end ;;
esac
";

/// Makes a plan with so many steps for each host, all in one wave.
pub fn plan(hosts: &[String], steps: usize) -> Plan {
    let names: Vec<HostName> = hosts.iter().map(|name| HostName::new(name).expect("a name")).collect();
    let host = |name: &HostName| HostPlan {
        client: ClientName::new("acme").expect("a name"),
        host: name.clone(),
        facts_at: Timestamp::UNIX_EPOCH,
        fact_passes: 1,
        steps: (0..steps).map(step).collect(),
    };
    Plan { deploy: "test".to_owned(), hosts: names.iter().map(host).collect(), waves: vec![names] }
}

/// A step that adds a line; both its probe and its action can be held.
pub fn step(number: usize) -> Step {
    let probe = format!(
        "{HOLD}state=$(grep -c '^step-{number}$' {EFFECTS} 2>/dev/null)
if [ \"${{state:-0}}\" = 0 ]; then hold before.{number}; else hold after.{number}; fi
echo \"${{state:-0}}\""
    );
    let action = format!("{HOLD}hold mid.{number}\necho step-{number} >>{EFFECTS}");
    Step {
        operation: "server.shell".to_owned(),
        subject: format!("step {number}"),
        place: Place::Nowhere,
        change: Change::Certain,
        diff: Vec::new(),
        probe: Some(Probe { script: probe, before: Some("0".into()), after: Some("1".into()) }),
        action,
        bodies: Vec::new(),
        condition: Condition::Always,
        is_handler: false,
        risks: Vec::new(),
        time_limit: Duration::from_secs(300),
    }
}

/// Nobody asks for an approval of these.
pub fn approved(plan: Plan) -> ApprovedPlan {
    let check = ApprovalCheck {
        author: &PersonName::new("ann").expect("a name"),
        policy: &ApprovalPolicy::default(),
        approvals: &[],
        keys: &BTreeMap::new(),
        now: Timestamp::UNIX_EPOCH,
    };
    ApprovedPlan::check(plan, &check).expect("the policy asks for nothing")
}
