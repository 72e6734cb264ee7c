//! Mail.

use std::time::Duration;

use nightcrew_channels::message::{About, Sending};
use nightcrew_channels::retry;
use nightcrew_config::settings::{Channel, ChannelKind, Secret, SmtpTls};
use nightcrew_model::event::Delivery;
use nightcrew_runtime::http::Http;
use nightcrew_testkit::fake::{Smtp, SmtpMode};
use proptest::prelude::*;

use crate::fixture::{
    TOKEN, acknowledge, deliver_by, email, group, message, over, permanent, receipt,
};

async fn deliver(channel: &Channel, message: &nightcrew_channels::message::Message) -> Delivery {
    deliver_by(&Http::net(), channel, message).await
}

fn with(
    channel: &mut Channel,
    change: impl FnOnce(&mut SmtpTls, &mut Option<String>, &mut Option<Secret>),
) {
    if let ChannelKind::Email { tls, username, password, .. } = &mut channel.kind {
        change(tls, username, password);
    }
}

fn logging_in(host: &str) -> Channel {
    let mut channel = email(host);
    with(&mut channel, |_, username, password| {
        *username = Some("crew".into());
        *password = Some(Secret::new(TOKEN));
    });
    channel
}

#[tokio::test]
async fn a_mail_is_text_and_html_in_its_thread() {
    let (host, fake) = Smtp::start().await;
    let mut message = message();
    message.actions = vec![acknowledge()];
    message.title = "INC-42\r\nBcc: all@example.org <디스크>".into();
    let channel = email(&host);
    assert_eq!(receipt(deliver(&channel, &message).await), None);
    assert_eq!(receipt(deliver(&channel, &over()).await), None);
    let mails = fake.received();
    let (first, second) = (&mails[0], &mails[1]);
    assert_eq!(first.from, "crew@example.org");
    assert_eq!(first.to, ["kim@example.org", "lee@example.org"]);
    assert_eq!(first.header("Bcc"), None, "no text becomes a header");
    assert_eq!(
        first.header("Message-ID").unwrap(),
        "<nightcrew-INC-42-escalated-7-1795230005@example.org>"
    );
    assert_eq!(first.header("Auto-Submitted").unwrap(), "auto-generated");
    assert_ne!(first.header("Message-ID"), second.header("Message-ID"));
    for name in ["References", "In-Reply-To"] {
        assert_eq!(first.header(name), second.header(name));
        let thread = first.header(name).unwrap();
        assert_eq!(thread.trim(), "<nightcrew.night-1.INC-42.1795229880@example.org>");
    }
    assert!(first.data.contains("text/plain") && first.data.contains("text/html"));
    assert_eq!(fake.refused(), Vec::<String>::new());
}

#[tokio::test]
async fn a_login_works_either_way_and_a_wrong_one_is_not_repeated() {
    for only_login in [false, true] {
        let (host, fake) = Smtp::start().await;
        fake.only_login("crew", TOKEN);
        if only_login {
            fake.only_auth_login();
        }
        receipt(deliver(&logging_in(&host), &message()).await);
        assert!(fake.received()[0].logged_in);
        fake.only_login("crew", "another");
        let error = permanent(deliver(&logging_in(&host), &message()).await);
        assert!(error.contains("refused the login (SMTP 535)"), "{error}");
        // `crew` and the password, as AUTH PLAIN has them.
        assert!(!error.contains("AGNyZXcA"), "{error}");
        assert!(!error.contains(": `"), "{error}");
        // Without a login the server wants one.
        let error = permanent(deliver(&email(&host), &message()).await);
        assert!(error.contains("SMTP 530"), "{error}");
    }
    let (host, _fake) = Smtp::start().await;
    let error = permanent(deliver(&logging_in(&host), &message()).await);
    assert!(error.contains("neither AUTH PLAIN nor AUTH LOGIN"), "{error}");
}

#[tokio::test]
async fn without_starttls_nothing_is_sent_in_the_clear() {
    let (host, fake) = Smtp::start().await;
    fake.only_login("crew", TOKEN);
    let mut channel = logging_in(&host);
    with(&mut channel, |tls, _, _| *tls = SmtpTls::Starttls);
    let error = permanent(deliver(&channel, &message()).await);
    assert!(error.contains("offers no STARTTLS, so nothing was sent"), "{error}");
    assert!(fake.received().is_empty() && fake.refused().is_empty());
    // It offers it, and breaks off.
    fake.offer_starttls();
    let delivery = deliver(&channel, &message()).await;
    assert!(matches!(delivery, Delivery::Retry { .. }), "{delivery:?}");
    // It does not speak TLS at all.
    with(&mut channel, |tls, _, _| *tls = SmtpTls::Tls);
    let delivery = deliver(&channel, &message()).await;
    assert!(matches!(delivery, Delivery::Retry { .. }), "{delivery:?}");
    assert!(fake.received().is_empty());
}

#[tokio::test]
async fn four_hundreds_pass_and_five_hundreds_do_not() {
    let (host, fake) = Smtp::start().await;
    let channel = email(&host);
    for mode in [
        SmtpMode::Greeting(421, "too many connections".into()),
        SmtpMode::Refused(451, "greylisted, come back".into()),
        SmtpMode::RefusedData(452, "disk full".into()),
    ] {
        fake.fail_with(mode.clone());
        let delivery = deliver(&channel, &message()).await;
        let Delivery::Retry { after: None, error } = delivery else {
            panic!("{mode:?}: {delivery:?}");
        };
        assert!(error.contains("SMTP 4"), "{error}");
        assert!(!retry::end_unknown(&error), "{error}");
    }
    for mode in [
        SmtpMode::Greeting(554, "no service here".into()),
        SmtpMode::Refused(550, "sender unknown".into()),
        SmtpMode::RefusedData(554, "looks like spam".into()),
    ] {
        fake.fail_with(mode.clone());
        let error = permanent(deliver(&channel, &message()).await);
        assert!(error.contains("SMTP 55") && error.contains("check `from` and `to`"), "{error}");
    }
    for mode in [SmtpMode::Close, SmtpMode::Page] {
        fake.fail_with(mode.clone());
        let delivery = deliver(&channel, &message()).await;
        let Delivery::Retry { error, .. } = delivery else {
            panic!("{mode:?}: {delivery:?}");
        };
        assert!(!error.contains('<'), "{error}");
    }
    assert!(fake.received().is_empty());
    fake.fail_with(SmtpMode::CloseAfterData);
    let delivery = deliver(&channel, &message()).await;
    let Delivery::Retry { error, .. } = delivery else {
        panic!("{delivery:?}");
    };
    assert!(retry::end_unknown(&error), "{error}");
    assert_eq!(fake.received().len(), 1);
}

#[tokio::test]
async fn one_stale_address_does_not_keep_the_others_from_being_told() {
    let (host, fake) = Smtp::start().await;
    fake.unknown_recipient("kim@example.org");
    assert_eq!(receipt(deliver(&email(&host), &message()).await), None);
    assert_eq!(fake.received()[0].to, ["lee@example.org"]);
    fake.unknown_recipient("lee@example.org");
    let error = permanent(deliver(&email(&host), &message()).await);
    assert!(error.contains("SMTP 550"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_down_did_not_get_the_mail() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let delivery = deliver(&email(&format!("127.0.0.1:{port}")), &message()).await;
    let Delivery::Retry { after: None, error } = delivery else {
        panic!("{delivery:?}");
    };
    assert!(error.contains("refused"), "{error}");
    assert!(!retry::end_unknown(&error), "{error}");
}

#[tokio::test]
async fn a_slow_server_may_have_the_mail() {
    let (host, fake) = Smtp::start().await;
    fake.fail_with(SmtpMode::Slow(Duration::from_secs(3_600)));
    let channel = email(&host);
    let message = message();
    let mut trying = std::pin::pin!(deliver(&channel, &message));
    // The mail is there before the clock moves on, so that the clock waits for no socket.
    while fake.received().is_empty() {
        tokio::select! {
            delivery = &mut trying => panic!("{delivery:?}"),
            () = tokio::time::sleep(Duration::from_millis(1)) => {}
        }
    }
    tokio::time::pause();
    let delivery = trying.await;
    let Delivery::Retry { error, .. } = delivery else {
        panic!("{delivery:?}");
    };
    assert!(error.starts_with("no answer within 30 s"), "{error}");
    assert!(retry::end_unknown(&error), "{error}");
}

#[tokio::test]
async fn settings_that_cannot_work_say_so() {
    for (smarthost, from, to, expected) in [
        ("mail", "a@b.example", vec!["c@d.example"], "`host:port`"),
        ("mail:25", "nobody", vec!["c@d.example"], "`from`"),
        ("mail:25", "a@b.example", vec!["c@d.example\r\nBcc: x@y.example"], "`to`"),
        ("mail:25", "a@b.example", vec![], "1 to 50 addresses"),
    ] {
        let mut channel = email(smarthost);
        if let ChannelKind::Email { from: sender, to: recipients, .. } = &mut channel.kind {
            *sender = from.into();
            *recipients = to.into_iter().map(str::to_owned).collect();
        }
        let error = permanent(deliver(&channel, &message()).await);
        assert!(error.contains(expected), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn a_mail_server_takes_whatever_text_there_is(
        title in "(\\PC|\r|\n|[<>&\":;=?]|한글|🔥|\u{202e}){0,300}",
        line in "(\\PC|[.=\r\n]|한글|🔥|\u{1b}){0,400}",
        lines in 0usize..80,
        grouped: bool,
    ) {
        let mut message = if grouped { group(2) } else { message() };
        message.title.clone_from(&title);
        message.summary = line.repeat(3);
        message.story = vec![line; lines];
        message.installation = title.clone();
        message.sending = Sending::PossibleRepeat;
        if let About::Incident(content) = &mut message.about {
            content.key.symptom = title.as_str().into();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (host, fake) = Smtp::start().await;
            let delivery = deliver(&email(&host), &message).await;
            prop_assert_eq!(delivery, Delivery::Delivered { receipt: None });
            prop_assert_eq!(fake.refused(), Vec::<String>::new());
            prop_assert_eq!(fake.received().len(), 1);
            Ok(())
        })?;
    }
}
