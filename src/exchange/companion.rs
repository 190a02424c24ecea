//! What goes beside messages without looking into them: a deadline, a pace, a place among calls.
//!
//! Whoever only times, counts or holds something passes everything else on as it is: packed
//! messages stay packed, trailers are there. That is done here, once.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use pin_project_lite::pin_project;

use super::{MessageStream, Messages, Metadata, Packed};
use crate::{coding::Coding, error::Error};

/// Goes beside a stream of messages, and is dropped with the end of it.
///
/// Where it gives an error, the stream ends with that, and whoever sends the messages is told to stop.
pub trait Companion: Send {
    /// Asked before each message, whether there is one or not.
    fn poll_before(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Error> {
        Poll::Pending
    }

    /// Asked while there is no message.
    fn poll_meanwhile(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Error> {
        Poll::Pending
    }

    /// Told of each message that goes by, and of the end.
    fn note(self: Pin<&mut Self>) {}

    /// What is told of the error that the messages end with.
    fn tell(&self, error: Error) -> Error {
        error
    }
}

impl Messages {
    /// The same messages, and something that goes beside them. What is at hand is over, and needs
    /// no company.
    pub fn beside(self, companion: impl Companion + 'static) -> Self {
        if self.is_at_hand() {
            return self;
        }
        Self::stream(Accompanied { messages: self, companion: Some(companion) })
    }
}

pin_project! {
    struct Accompanied<C> {
        messages: Messages,
        // None behind the end.
        #[pin]
        companion: Option<C>,
    }
}

/// What polling a stream gives.
type Polled<T> = Poll<Option<Result<T, Error>>>;

impl<C: Companion> Accompanied<C> {
    /// The next message, in whatever form `poll` asks for.
    fn poll_next<T>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        poll: fn(&mut Messages, &mut Context<'_>) -> Polled<T>,
    ) -> Polled<T> {
        let mut this = self.project();
        let Some(mut companion) = this.companion.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let mut cut = companion.as_mut().poll_before(cx);
        if cut.is_pending() {
            let polled = poll(this.messages, cx).map_err(|error| companion.tell(error));
            match &polled {
                Poll::Pending => cut = companion.as_mut().poll_meanwhile(cx),
                Poll::Ready(next) => {
                    companion.as_mut().note();
                    if !matches!(next, Some(Ok(_))) {
                        this.companion.set(None);
                    }
                    return polled;
                }
            }
        }
        cut.map(|error| {
            *this.messages = Messages::none();
            this.companion.set(None);
            Some(Err(error))
        })
    }
}

impl<C: Companion> MessageStream for Accompanied<C> {
    fn poll_message(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        self.poll_next(cx, Messages::poll_message)
    }

    fn poll_packed(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Packed, Error>>> {
        self.poll_next(cx, Messages::poll_packed)
    }

    fn coding(&self) -> Option<Coding> {
        self.messages.coding()
    }

    fn take_trailers(self: Pin<&mut Self>) -> Metadata {
        self.project().messages.take_trailers()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Ends the messages after so many.
    struct Count(usize, #[expect(dead_code, reason = "counts who holds it")] Arc<()>);

    impl Companion for Count {
        fn poll_before(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Error> {
            match self.0 {
                0 => Poll::Ready(Error::invalid("enough", "that is enough")),
                _ => Poll::Pending,
            }
        }

        fn note(mut self: Pin<&mut Self>) {
            self.0 -= 1;
        }
    }

    /// Gives what it was packed with, again and again.
    struct Endless(#[expect(dead_code, reason = "counts who holds it")] Arc<()>);

    impl MessageStream for Endless {
        fn poll_message(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Bytes, Error>>> {
            panic!("nobody looks into these messages");
        }

        fn poll_packed(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Packed, Error>>> {
            let message = Packed { coding: Some(Coding::Gzip), bytes: Bytes::from_static(b"raw") };
            Poll::Ready(Some(Ok(message)))
        }

        fn coding(&self) -> Option<Coding> {
            Some(Coding::Gzip)
        }
    }

    #[tokio::test]
    async fn companion_leaves_messages_packed_and_both_go_when_it_ends_them() {
        let (stream, companion) = (Arc::new(()), Arc::new(()));
        let messages = Messages::stream(Endless(stream.clone()));
        let mut messages = messages.beside(Count(2, companion.clone()));
        assert_eq!(messages.coding(), Some(Coding::Gzip));
        for _ in 0..2 {
            assert_eq!(messages.next_packed().await.unwrap().unwrap().bytes, "raw");
        }
        assert_eq!((Arc::strong_count(&stream), Arc::strong_count(&companion)), (2, 2));
        assert_eq!(messages.next_packed().await.unwrap().unwrap_err().reason(), "enough");
        assert_eq!((Arc::strong_count(&stream), Arc::strong_count(&companion)), (1, 1));
        assert!(messages.next_packed().await.is_none());
    }

    #[tokio::test]
    async fn companion_goes_with_the_end_and_none_is_wanted_by_what_is_at_hand() {
        let companion = Arc::new(());
        let at_hand = Messages::one(Bytes::from("a")).beside(Count(9, companion.clone()));
        assert!(at_hand.is_at_hand() && Arc::strong_count(&companion) == 1);
        let failed = Messages::failed(Error::invalid("broken", "it is broken"));
        let mut failed = failed.beside(Count(9, companion.clone()));
        assert_eq!(failed.next().await.unwrap().unwrap_err().reason(), "broken");
        assert_eq!(Arc::strong_count(&companion), 1);
        assert!(failed.next().await.is_none());
    }
}
