//! Evaluates a deploy for one host: code and facts in, steps or further questions out.
//!
//! A deploy is evaluated as often as it takes. An operation whose facts are not known notes them and
//! returns a result that is not known; code that looks inside of what is not known stops there. All facts
//! that were noted travel to the host at once, and the deploy is evaluated again with them.

mod evaluate;
#[expect(unsafe_code, reason = "the derive of ProvidesStaticType writes it")]
mod fact_values;
#[expect(unsafe_code, reason = "the derive of ProvidesStaticType writes it")]
mod host_value;
mod order;
#[expect(unsafe_code, reason = "the derive of ProvidesStaticType writes it")]
mod result;
mod secret;
#[expect(unsafe_code, reason = "the derive of ProvidesStaticType writes it")]
mod secret_value;
#[expect(unsafe_code, reason = "the derive of ProvidesStaticType writes it")]
mod session;
mod template;

pub use evaluate::{Evaluated, FACT_PASSES_MAX, HostView, debug, evaluate};
pub(crate) use fact_values::facts_namespace;
pub(crate) use host_value::inventory_namespace;
pub(crate) use order::order_functions;
pub use order::{Order, order};
pub(crate) use result::{ChangedValue, StepValue};
pub(crate) use secret::{TextOrSecret, read_content};
pub(crate) use secret_value::secret_function;
pub(crate) use session::{Asked, Common, Session, run};
pub(crate) use template::render;

#[cfg(test)]
mod tests;
