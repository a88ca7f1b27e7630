//! The contract's own words, held against types, schemas and readers.

mod corpus;
mod differential;
mod table;
mod vectors;
