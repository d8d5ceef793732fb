//! Which hosts go first: data of the deploy's file.

use model::{Code, DataValue, HostName, Place, Problem};
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::dict::AllocDict;

use lang::Deploy;

/// The name of the constant.
const ORDER: &str = "ORDER";

/// Which hosts go first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Order {
    /// All hosts in one wave.
    #[default]
    Together,
    /// Waves of so many hosts.
    Serial(usize),
    /// First so many hosts alone, then waves of so many.
    Waves {
        /// The hosts of the first wave.
        canary: usize,
        /// The hosts of each wave after it.
        size: usize,
    },
    /// These waves; hosts in none of them go last, together.
    Named(Vec<Vec<HostName>>),
}

/// Returns the order that a deploy's file asks for: `ORDER = serial(1)` at its top level.
///
/// # Errors
/// The constant is something else.
pub fn order(deploy: &Deploy) -> Result<Order, Problem> {
    let Some(value) = deploy.constant(ORDER)? else { return Ok(Order::Together) };
    let number = |map: &std::collections::BTreeMap<String, DataValue>, key: &str| match map.get(key) {
        Some(DataValue::Int(number)) => usize::try_from(*number).ok().filter(|number| *number > 0),
        _ => None,
    };
    let read = match &value {
        DataValue::Map(map) => match (number(map, "serial"), number(map, "canary"), number(map, "size")) {
            (Some(size), None, None) => Some(Order::Serial(size)),
            (None, Some(canary), Some(size)) => Some(Order::Waves { canary, size }),
            _ => None,
        },
        _ => None,
    };
    read.ok_or_else(|| {
        let place = Place::File { path: deploy.path.clone() };
        let message = format!("expected {ORDER} to be `serial(N)` or `waves(canary = N, size = N)`");
        Problem::new(Code::PlanBadArgument, place, message)
    })
}

#[starlark_module]
pub(crate) fn order_functions(builder: &mut GlobalsBuilder) {
    /// Lets so many hosts go at a time; the next ones start when these have ended well.
    ///
    /// ```python
    /// ORDER = serial(1)
    /// ```
    ///
    /// # Arguments
    /// * `hosts`: how many at a time
    fn serial<'v>(
        #[starlark(require = pos, default = 1)] hosts: i32,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        positive(hosts)?;
        Ok(eval.heap().alloc(AllocDict([("serial", hosts)])))
    }

    /// Lets a few hosts go first, then the others in waves.
    ///
    /// ```python
    /// ORDER = waves(canary = 1, size = 10)
    /// ```
    ///
    /// # Arguments
    /// * `canary`: how many hosts go first
    /// * `size`: how many go at a time after that
    fn waves<'v>(
        #[starlark(require = named, default = 1)] canary: i32,
        #[starlark(require = named, default = 10)] size: i32,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        positive(canary)?;
        positive(size)?;
        Ok(eval.heap().alloc(AllocDict([("canary", canary), ("size", size)])))
    }
}

fn positive(number: i32) -> starlark::Result<()> {
    if number > 0 {
        return Ok(());
    }
    Err(lang::fault(Code::PlanBadArgument, format!("expected a number of hosts above 0, got {number}"), None))
}
