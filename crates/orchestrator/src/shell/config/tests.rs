//! The messages are the product: each stands here as it is shown.
