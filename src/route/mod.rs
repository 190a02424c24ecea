//! Which method a request means: path templates, the trie that holds them, and queries.
