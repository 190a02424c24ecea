//! Least request: of two that are drawn by chance, the one with fewer calls in flight (gRFC A48;
//! M. Mitzenmacher: The Power of Two Choices in Randomized Load Balancing, 1996).
//!
//! Drawn by weight, and compared by calls in flight for each unit of weight: idle endpoints share by
//! weight, busy ones get what they can take. Calls of all workers count.

use super::{Balancer, Choice, Entry, Kind};

pub(super) const ENTRY: Entry =
    Entry { kind: Kind::LeastRequest, build: |_, _| Box::new(LeastRequest) };

struct LeastRequest;

impl Balancer for LeastRequest {
    fn pick(&self, choice: &Choice<'_>) -> usize {
        if choice.members.len() == 1 {
            return 0;
        }
        choice.cheaper_of_two(|member| member.standing().in_flight() as f32 / member.weight as f32)
    }
}
