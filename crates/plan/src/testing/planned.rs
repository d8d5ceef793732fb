//! `testing.plan(...)`: the steps of a deploy for a host and facts that a test makes up.

use lang::Deploy;
use model::{Change, Code, Condition, Content, ContentPiece, DiffLine, Place, Problem, Step};
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::list_or_tuple::UnpackListOrTuple;
use starlark::values::structs::{AllocStruct, StructRef};
use starlark::values::{Heap, UnpackValue, Value};

use super::given::{Given, answer};
use super::given_facts::{any_secret, digest_with_names};
use super::given_values::GivenValue;
use super::host::{TestHost, inventory};
use super::session::TestSession;
use crate::deploy::{Evaluated, FACT_PASSES_MAX, HostView, evaluate};
use crate::facts::Facts;

/// The lines that a failure offers to add.
const LINES_MAX: usize = 40;

/// What was planned, and how often the host had to be asked.
struct Planned {
    steps: Vec<Step>,
    passes: usize,
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Plans a deploy for a host, with these facts. Nothing is asked: a fact that is not given is an error,
    /// which prints what to add.
    ///
    /// ```python
    /// plan = testing.plan(
    ///     "motd",
    ///     host = testing.host("web-1", os = "alpine:3.20"),
    ///     facts = [testing.absent("/etc/motd")],
    /// )
    /// expect.eq(plan.changes, ["files.put /etc/motd"])
    /// ```
    ///
    /// `plan.steps` are all steps in their order: `.operation`, `.subject`, `.change` (`none`, `certain`,
    /// `undecided`), `.diff` (lines that begin with `+`, `-` or a blank), `.content` (what a file is to hold,
    /// a secret as `<secret NAME>`; else None), `.handler`, `.when` (the steps of which one must have changed
    /// something) and `.risks`. `plan.changes` names those that change something or may. `plan.passes`
    /// is how often the host is asked for facts.
    ///
    /// # Arguments
    /// * `deploy`: its name: `web/tls` for deploys/web/tls.star
    /// * `host`: the host, made by `testing.host`
    /// * `facts`: what its state is, made by `testing.file` and the like
    /// * `others`: further hosts that `inventory` knows
    fn plan<'v>(
        #[starlark(require = pos)] deploy: &'v str,
        #[starlark(require = named)] host: &'v TestHost,
        #[starlark(require = named, default = UnpackListOrTuple::default())] facts: UnpackListOrTuple<
            &'v GivenValue,
        >,
        #[starlark(require = named, default = UnpackListOrTuple::default())] others: UnpackListOrTuple<
            &'v TestHost,
        >,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        let session = TestSession::of(eval)?;
        let deploy = find(session, deploy)?;
        let hosts: Vec<&TestHost> = std::iter::once(host).chain(others.items).collect();
        let given: Vec<&Given> = facts.items.iter().map(|value| &value.given).collect();
        let planned = plan_for(session, deploy, &hosts, &given)?;
        Ok(alloc(&planned, eval.heap()))
    }

    /// Returns a step of a plan.
    ///
    /// # Arguments
    /// * `plan`: what `testing.plan` returned
    /// * `name`: operation and subject: `files.put /etc/motd`
    fn step<'v>(
        #[starlark(require = pos)] plan: Value<'v>,
        #[starlark(require = pos)] name: &'v str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        let heap = eval.heap();
        let wrong = |why: String| lang::fault(Code::TestFailed, why, None);
        let steps = plan.get_attr("steps", heap)?.ok_or_else(|| wrong("expected a plan".to_owned()))?;
        let steps = UnpackListOrTuple::<Value<'v>>::unpack_value(steps)?;
        let steps = steps.ok_or_else(|| wrong("expected a plan".to_owned()))?.items;
        let mut names = Vec::new();
        for step in steps {
            let its = name_of_value(step);
            if its == name {
                return Ok(step);
            }
            names.push(its);
        }
        Err(wrong(format!("there is no step `{}`; the steps are: {}", name.escape_debug(), names.join(", "))))
    }
}

fn find<'a>(session: &TestSession<'a>, name: &str) -> starlark::Result<&'a Deploy> {
    session.deploys.iter().find(|deploy| deploy.name == name).ok_or_else(|| {
        let known: Vec<&str> = session.deploys.iter().map(|deploy| deploy.name.as_str()).collect();
        let why = format!("there is no deploy `{}` that could be loaded", name.escape_debug());
        lang::fault(Code::PlanBadArgument, why, Some(format!("deploys: {}", known.join(", "))))
    })
}

fn plan_for(
    session: &TestSession<'_>,
    deploy: &Deploy,
    hosts: &[&TestHost],
    given: &[&Given],
) -> starlark::Result<Planned> {
    let inventory = inventory(hosts)?;
    let Some(host) = hosts.first() else { return Err(failed(&[])) };
    let view = HostView {
        inventory: &inventory,
        host: &host.host,
        os: host.os.as_ref(),
        assets: session.files.assets,
        folders: session.files.folders,
        secrets: &any_secret,
        secret_digest: &digest_with_names,
    };
    let mut facts = Facts::default();
    for passes in 0..=FACT_PASSES_MAX {
        let requests = match evaluate(deploy, &view, &facts) {
            Ok(Evaluated::Complete(steps)) => return Ok(Planned { steps, passes }),
            Ok(Evaluated::Needs(requests)) => requests,
            Err(problems) => return Err(failed(&problems)),
        };
        let mut absent = Vec::new();
        for question in requests.questions() {
            match answer(given, question) {
                Ok(answer) => facts.insert(question.clone(), answer),
                Err(lines) => absent.extend(lines),
            }
        }
        if !absent.is_empty() {
            return Err(missing(absent));
        }
    }
    let why = format!("the deploy asks for facts more than {FACT_PASSES_MAX} times");
    Err(lang::fault(Code::TestFailed, why, None))
}

/// A deploy that cannot be planned.
fn failed(problems: &[Problem]) -> starlark::Error {
    let text = |problem: &Problem| match &problem.hint {
        Some(hint) => format!("{}: {} (hint: {hint})", problem.place, problem.message),
        None => format!("{}: {}", problem.place, problem.message),
    };
    let texts: Vec<String> = problems.iter().map(text).collect();
    lang::fault(Code::TestFailed, format!("the deploy cannot be planned: {}", texts.join("; ")), None)
}

fn missing(lines: Vec<String>) -> starlark::Error {
    let why = "the deploy asks for facts that the test does not give";
    lang::fault(Code::TestFactMissing, why, Some(to_add(lines, "facts = [...]")))
}

/// Says what the constant `name` of a file does not say, as lines to add.
pub(super) fn missing_problem(lines: Vec<String>, path: &str, name: &str) -> Problem {
    let place = Place::File { path: path.to_owned() };
    let why = format!("the deploy asks for facts that `{name}` does not give");
    Problem::new(Code::TestFactMissing, place, why).with_hint(to_add(lines, &format!("{name} = [...]")))
}

fn to_add(mut lines: Vec<String>, what: &str) -> String {
    lines.sort();
    lines.dedup();
    lines.truncate(LINES_MAX);
    format!("add what is so to `{what}`, for example:\n    {}", lines.join("\n    "))
}

fn name_of(step: &Step) -> String {
    format!("{} {}", step.operation, step.subject)
}

fn name_of_value(step: Value<'_>) -> String {
    let text = |key: &str| {
        let step = StructRef::from_value(step)?;
        step.iter().find(|(name, _)| name.as_str() == key)?.1.unpack_str().map(str::to_owned)
    };
    format!("{} {}", text("operation").unwrap_or_default(), text("subject").unwrap_or_default())
}

fn alloc<'v>(planned: &Planned, heap: Heap<'v>) -> Value<'v> {
    let steps: Vec<Value<'v>> =
        planned.steps.iter().map(|step| alloc_step(step, &planned.steps, heap)).collect();
    let changes: Vec<String> = planned.steps.iter().filter(|step| step.is_sent()).map(name_of).collect();
    let passes = i32::try_from(planned.passes).unwrap_or(i32::MAX);
    heap.alloc(AllocStruct([
        ("steps", heap.alloc(steps)),
        ("changes", heap.alloc(changes)),
        ("passes", heap.alloc(passes)),
    ]))
}

fn alloc_step<'v>(step: &Step, steps: &[Step], heap: Heap<'v>) -> Value<'v> {
    let change = match step.change {
        Change::None => "none",
        Change::Certain => "certain",
        Change::Undecided => "undecided",
    };
    let line = |line: &DiffLine| match line {
        DiffLine::Same(text) => format!(" {text}"),
        DiffLine::Removed(text) => format!("-{text}"),
        DiffLine::Added(text) => format!("+{text}"),
    };
    let content = step.bodies.first().map(|body| String::from_utf8_lossy(&revealed(body)).into_owned());
    let when: Vec<String> = match &step.condition {
        Condition::Always => Vec::new(),
        Condition::AnyChanged(sources) => {
            sources.iter().filter_map(|source| steps.get(*source)).map(name_of).collect()
        }
    };
    let risks: Vec<&str> = step.risks.iter().map(|risk| risk.as_str()).collect();
    heap.alloc(AllocStruct([
        ("operation", heap.alloc(step.operation.as_str())),
        ("subject", heap.alloc(step.subject.as_str())),
        ("change", heap.alloc(change)),
        ("diff", heap.alloc(step.diff.iter().map(line).collect::<Vec<_>>())),
        ("content", content.map_or_else(Value::new_none, |content| heap.alloc(content))),
        ("handler", Value::new_bool(step.is_handler)),
        ("when", heap.alloc(when)),
        ("risks", heap.alloc(risks)),
    ]))
}

/// Returns content with names in place of secrets.
pub(super) fn revealed(content: &Content) -> Vec<u8> {
    let piece = |piece: &ContentPiece| match piece {
        ContentPiece::Plain(bytes) => bytes.clone(),
        ContentPiece::Secret(secret) => format!("<secret {}>", secret.name).into_bytes(),
    };
    content.0.iter().flat_map(piece).collect()
}
