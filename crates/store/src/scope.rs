//! The one layer that keeps clients apart: every query about clients' hosts gets its condition here.

use std::fmt::Write as _;

use crate::error::StoreError;
use crate::record::ClientScope;
use crate::sql::{Dialect, PARAMETERS_MAX, Row, Tx, Value};

/// A query under a scope: its text and its values grow together.
pub(crate) struct ScopedQuery<'a> {
    sql: String,
    values: Vec<Value<'a>>,
    dialect: Dialect,
}

impl<'a> ScopedQuery<'a> {
    /// Begins with a text that ends in a condition (`... WHERE x IS NULL`) and whose last condition
    /// this adds: that the column, a client id, is in the scope.
    pub(crate) fn new(
        tx: &Tx,
        head: &str,
        client_id: &'static str,
        scope: &'a ClientScope,
    ) -> Result<Self, StoreError> {
        let mut query = Self { sql: head.to_owned(), values: Vec::new(), dialect: tx.dialect() };
        query.push_scope(client_id, scope)?;
        Ok(query)
    }

    /// Adds the condition for another column that is a client id.
    pub(crate) fn push_scope(
        &mut self,
        client_id: &'static str,
        scope: &'a ClientScope,
    ) -> Result<&mut Self, StoreError> {
        if let ClientScope::Only(clients) = scope {
            write!(self.sql, " AND {client_id} IN (SELECT id FROM client WHERE name IN")
                .expect("invariant: writing to a String does not fail");
            self.push_list("clients", clients.iter().map(|client| client.as_str().into()))?;
            self.sql.push(')');
        }
        Ok(self)
    }

    /// Adds a constant piece of text.
    pub(crate) fn push(&mut self, text: &'static str) -> &mut Self {
        self.sql.push_str(text);
        self
    }

    /// Adds one value.
    pub(crate) fn push_value(&mut self, value: impl Into<Value<'a>>) -> &mut Self {
        self.values.push(value.into());
        self.sql.push(' ');
        self.dialect.push_placeholder(&mut self.sql, self.values.len());
        self
    }

    /// Adds ` ($1, $2, ...)`, and ` (NULL)`, which nothing is in, for none.
    pub(crate) fn push_list(
        &mut self,
        of: &'static str,
        list: impl ExactSizeIterator<Item = Value<'a>>,
    ) -> Result<&mut Self, StoreError> {
        let limit = PARAMETERS_MAX - self.values.len();
        if list.len() > limit {
            return Err(StoreError::TooMany { of, count: list.len(), limit });
        }
        self.sql.push_str(" (");
        if list.len() == 0 {
            self.sql.push_str("NULL");
        }
        for (position, value) in list.enumerate() {
            self.push(if position == 0 { "" } else { "," }).push_value(value);
        }
        self.sql.push(')');
        Ok(self)
    }

    /// Runs it.
    pub(crate) async fn fetch<T>(
        self,
        tx: &mut Tx,
        decode: impl FnMut(&Row) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, StoreError> {
        tx.fetch_text(self.sql, self.values, decode).await
    }
}
