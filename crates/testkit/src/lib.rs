//! Fakes of the services that people are told through, for tests.
//!
//! Each speaks the documented wire format, refuses what the service would refuse (with the reason
//! in [`fake::Desk::refused`]), keeps what it took, and can be told to fail.  A fake listens on a
//! free port of the loopback ([`fake::Discord::start`]) or stands inside the process
//! ([`fake::Discord::router`]).
//!
//! ```ignore
//! let (url, pager) = fake::Pagerduty::start().await;
//! pager.fail_with(Mode::RateLimited { after: Duration::from_secs(30) });
//! …
//! assert_eq!(pager.triggers(), [("nightcrew/night-1/INC-42/1795230005".to_owned(), 1)].into());
//! ```

pub mod fake;
