//! A look at messages that others shall still get.
//!
//! A policy may have to know a call's first message before it lets the call go on, or each message
//! before the backend gets it. Whoever looks puts back what it took: the ways on see the stream as it
//! came. What is at hand is looked at where it is, and nothing is allocated.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;

use super::{Kind, MessageStream, Messages, Metadata, Packed};
use crate::error::Error;

/// Says whether a message may pass, and as what: mostly the same bytes again.
pub type Judge = Box<dyn FnMut(Bytes) -> Result<Bytes, Error> + Send>;

impl Messages {
    /// The first message, which stays there: waited for if it isn't at hand, unpacked under the
    /// stream's own bound. `None` if the stream ends without one.
    ///
    /// # Errors
    /// What the messages end with before there is one, or what is wrong with its packing.
    pub async fn first(&mut self) -> Result<Option<Bytes>, Error> {
        match &mut self.0 {
            Kind::Ready { message: None, .. } => Ok(None),
            Kind::Ready { message: Some(message), bound, .. } => {
                if message.coding.is_some() {
                    *message = Packed::plain(message.clone().unpack(*bound)?);
                }
                Ok(Some(message.bytes.clone()))
            }
            Kind::Stream(_) => {
                let Some(first) = self.next().await.transpose()? else { return Ok(None) };
                self.put_back(first.clone());
                Ok(Some(first))
            }
        }
    }

    /// The messages as `judge` lets them pass. The first one is waited for and judged at once, so
    /// that a call can be refused before its backend hears of it; each other one when it is asked for.
    /// Tells whether there was a first one, too.
    ///
    /// # Errors
    /// As [`Self::first`], and what the judge says of the first message.
    pub async fn judged(mut self, mut judge: Judge) -> Result<(Self, bool), Error> {
        let Some(first) = self.first().await? else { return Ok((self, false)) };
        let passed = judge(first.clone())?;
        match &mut self.0 {
            Kind::Ready { message, .. } => *message = Some(Packed::plain(passed)),
            Kind::Stream(_) => {
                // The first one has been put in front of a stream that is looked into by nobody else.
                let _ = self.next().await;
                self = Self::stream(Begun { first: Some(passed), rest: self, judge: Some(judge) });
            }
        }
        Ok((self, true))
    }

    /// Puts a message in front of those that are to come.
    fn put_back(&mut self, first: Bytes) {
        let rest = std::mem::replace(self, Self::none());
        *self = Self::stream(Begun { first: Some(first), rest, judge: None });
    }
}

/// A stream whose first message has been looked at.
struct Begun {
    first: Option<Bytes>,
    rest: Messages,
    /// Judges the messages after the first.
    judge: Option<Judge>,
}

impl MessageStream for Begun {
    fn poll_message(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        let polled = self.rest.poll_message(cx);
        let this = &mut *self;
        match (polled, &mut this.judge) {
            (Poll::Ready(Some(Ok(message))), Some(judge)) => {
                let judged = judge(message);
                if judged.is_err() {
                    // Nothing passes behind a message that was refused.
                    this.rest = Messages::none();
                }
                Poll::Ready(Some(judged))
            }
            (polled, _) => polled,
        }
    }

    fn poll_packed(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Packed, Error>>> {
        if self.first.is_some() || self.judge.is_some() {
            return self.poll_message(cx).map_ok(Packed::plain);
        }
        self.rest.poll_packed(cx)
    }

    fn coding(&self) -> Option<crate::coding::Coding> {
        if self.judge.is_some() { None } else { self.rest.coding() }
    }

    fn take_trailers(mut self: Pin<&mut Self>) -> Metadata {
        self.rest.take_trailers()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::{
        coding::Coding,
        error::{Code, Origin},
        exchange::Bound,
    };

    struct Given(VecDeque<&'static str>);

    impl MessageStream for Given {
        fn poll_message(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Bytes, Error>>> {
            Poll::Ready(self.0.pop_front().map(|text| Ok(Bytes::from(text))))
        }

        fn take_trailers(self: Pin<&mut Self>) -> Metadata {
            [(http::HeaderName::from_static("end"), http::HeaderValue::from_static("yes"))]
                .into_iter()
                .collect()
        }
    }

    fn stream(texts: &[&'static str]) -> Messages {
        Messages::stream(Given(texts.iter().copied().collect()))
    }

    /// Refuses `bad`, shouts the rest.
    fn strict() -> Judge {
        Box::new(|message| match &*message {
            b"bad" => Err(Error::invalid("bad", "this one is bad")),
            other => Ok(Bytes::from(other.to_ascii_uppercase())),
        })
    }

    async fn drain(mut messages: Messages) -> Vec<Result<Bytes, &'static str>> {
        let mut all = Vec::new();
        while let Some(message) = messages.next().await {
            all.push(message.map_err(|error| error.reason()));
        }
        all
    }

    #[tokio::test]
    async fn first_message_stays_in_front() {
        let mut one = Messages::one(Bytes::from("a"));
        assert_eq!(one.first().await.unwrap().unwrap(), "a");
        assert_eq!(one.as_one().unwrap(), "a");
        let mut several = stream(&["a", "b"]);
        for _ in 0..2 {
            assert_eq!(several.first().await.unwrap().unwrap(), "a");
        }
        assert_eq!(several.next().await.unwrap().unwrap(), "a");
        assert_eq!(several.next().await.unwrap().unwrap(), "b");
        assert!(several.next().await.is_none());
        assert_eq!(several.take_trailers()["end"], "yes");
        assert!(Messages::none().first().await.unwrap().is_none());
        assert!(stream(&[]).first().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn packed_first_message_is_unpacked_under_its_bound() {
        let packed = |limit| {
            let bytes = Coding::Gzip.pack(b"aaaaaaaa").unwrap();
            let bound = Bound { limit, origin: Origin::Downstream };
            let message = Packed { coding: Some(Coding::Gzip), bytes };
            Messages::one_packed(message, bound, Metadata::new())
        };
        assert_eq!(packed(8).first().await.unwrap().unwrap(), "aaaaaaaa");
        let error = packed(7).first().await.unwrap_err();
        assert_eq!(error.code(), Code::ResourceExhausted);
    }

    #[tokio::test]
    async fn error_before_the_first_message_is_told() {
        let mut failed = Messages::failed(Error::invalid("broken", "it is broken"));
        assert_eq!(failed.first().await.unwrap_err().reason(), "broken");
    }

    #[tokio::test]
    async fn every_message_is_judged_and_none_passes_behind_a_refused_one() {
        let (one, seen) = Messages::one(Bytes::from("a")).judged(strict()).await.unwrap();
        assert!(seen && one.as_one().unwrap() == "A");
        assert_eq!(stream(&["bad", "b"]).judged(strict()).await.err().unwrap().reason(), "bad");
        let (several, _) = stream(&["a", "bad", "c"]).judged(strict()).await.unwrap();
        assert_eq!(drain(several).await, [Ok(Bytes::from("A")), Err("bad")]);
        let (none, seen) = stream(&[]).judged(strict()).await.unwrap();
        assert!(!seen && drain(none).await.is_empty());
    }
}
