use proptest::prelude::*;

use super::*;

fn check(lines: &[&str], messages: &[&str]) {
    let header = Header::recognise(lines.iter().map(|line| line.as_bytes()));
    for (line, message) in lines.iter().zip(messages) {
        let range = header.split(line.as_bytes()).message;
        assert_eq!(line.get(range), Some(*message), "{header:?}");
    }
}

#[test]
fn headers_of_many_formats_are_left_out() {
    check(
        &[
            "081109 203518 143 INFO dfs.DataNode$PacketResponder: PacketResponder 1 terminating",
            "081109 203807 222 WARN dfs.FSNamesystem: BLOCK* NameSystem: 10.1.2.3:50 is added",
        ],
        &["PacketResponder 1 terminating", "BLOCK* NameSystem: 10.1.2.3:50 is added"],
    );
    check(
        &[
            "2015-10-18 18:01:47,978 INFO [main] org.apache.v2.app.MRAppMaster: Created it",
            "2015-10-18 18:01:48,963 WARN [IPC handler 0 on 62270] org.apache.Server: a: b",
        ],
        &["Created it", "a: b"],
    );
    check(
        &[
            "2015-07-29 17:41:44,747 - INFO  [QuorumPeer[myid=1]/0:0:0:0:2181:Fast@774] - Time: 1",
            "2015-07-29 19:04:12,394 - WARN  [/10.10.34.11:3888:Listener@493] - Received - it",
        ],
        &["Time: 1", "Received - it"],
    );
    check(
        &[
            "- 1117838570 2005.06.03 R02-M1 2005-06-03-15.42.50.675872 R02-M1 RAS KERNEL INFO ok 1",
            "APPREAD 1117869872 2005.06.04 R04-M1 2005-06-04-00.24.32.432192 R04 RAS APP FATAL \
             ciod: failed",
        ],
        &["ok 1", "ciod: failed"],
    );
    check(
        &[
            "134681 node-246 unix.hw state_change.unavailable 1077804742 1 Component is down",
            "350766 node-109 unix.hw state_change.unavailable 1084680778 1 boot (command 1)",
        ],
        &["Component is down", "boot (command 1)"],
    );
    check(
        &[
            "- 1131566461 2005.11.09 dn228 Nov 9 12:01:01 dn228/dn228 crond(pam_unix)[2915]: gone",
            "- 1131566479 2005.11.09 en257 Nov 9 12:01:19 en257/en257 kernel: usb 1-1: new",
        ],
        &["gone", "usb 1-1: new"],
    );
    check(
        &[
            "2016-09-28 04:30:30, Info                  CBS    Loaded Servicing Stack v6.1",
            "2016-09-28 04:30:31, Info                  CSI    00000001@2016/9/27 called",
        ],
        &["Loaded Servicing Stack v6.1", "00000001@2016/9/27 called"],
    );
    check(
        &[
            "03-17 16:13:38.811  1702  2395 D WindowManager: printing: a",
            "03-17 16:13:38.820  1702  8671 I Power.Service: acquire lock=1",
        ],
        &["printing: a", "acquire lock=1"],
    );
    check(
        &[
            "20171223-22:15:29:606|Step_LSC|30002312|onStandStepChanged 3579",
            "20171223-22:15:29:615|Step_SPUtils|30002312|a|b",
        ],
        &["onStandStepChanged 3579", "a|b"],
    );
}

#[test]
fn headers_without_levels_are_left_out() {
    check(
        &[
            "Jun 14 15:16:01 combo sshd(pam_unix)[19939]: authentication failure; uid=0",
            "Jun 14 15:16:02 combo last message repeated 3 times",
            "Jun 15 04:06:18 combo su(pam_unix)[21416]: session opened",
        ],
        &["authentication failure; uid=0", "last message repeated 3 times", "session opened"],
    );
    check(
        &[
            "Jul  1 09:00:55 host-10 kernel[0]: Thunder<0>(0x0)::callback - Thunderbolt",
            "Jul  1 09:01:05 host-10 com.apple.CDScheduler[43]: Thermal pressure: 0",
            "Jul  1 09:01:06 host-10 Google Chrome[1234]: objc[9]: Class",
        ],
        &["Thunder<0>(0x0)::callback - Thunderbolt", "Thermal pressure: 0", "objc[9]: Class"],
    );
    check(
        &[
            "[Thu Jun 09 06:07:04 2005] [notice] LDAP: Built with it",
            "[Thu Jun 09 06:07:05 2005] [error] [client 10.0.0.1] Directory forbidden",
        ],
        &["LDAP: Built with it", "[client 10.0.0.1] Directory forbidden"],
    );
    check(
        &[
            "[10.30 16:49:06] chrome.exe - proxy.example.com:5070 open",
            "[10.30 16:49:07] WeChat.exe *64 - proxy.example.com:5070 close",
        ],
        &["proxy.example.com:5070 open", "proxy.example.com:5070 close"],
    );
    check(
        &[
            "nova-api.log.1.2017-05-16_13:53:08 2017-05-16 00:00:00.008 25746 INFO \
             nova.osapi.server [req-38 1 2 - - -] 10.11.10.1 \"GET /v2\"",
            "nova-compute.log.1.2017-05-16_13:55:31 2017-05-16 00:00:04.500 2931 INFO \
             nova.compute.manager [-] [instance: b9000564] VM Started",
        ],
        &["10.11.10.1 \"GET /v2\"", "[instance: b9000564] VM Started"],
    );
    check(&["{\"time\":1,\"msg\":\"it \\\"is\\\"\"}", "{\"msg\": \"b\"}"], &["it \\\"is\\\"", "b"]);
    check(&["level=info msg=\"a b\" n=1", "t=1 msg=c n=2"], &["a b", "c"]);
}

#[test]
fn what_has_no_header_is_its_own_message() {
    check(
        &["session opened for user root", "", "    at java.lang.Thread"],
        &["session opened for user root", "", "    at java.lang.Thread"],
    );
    assert_eq!(Header::recognise(std::iter::empty()), Header::default());
    let header = Header::recognise([b"2024-01-01 10:00:00 INFO a: b".as_slice()].into_iter());
    assert_eq!(header.split(b"Caused by: it").message, 0..13);
}

#[test]
fn time_level_and_process_are_told() {
    let line = b"2024-01-01 10:00:00 WARN shop.cart: it is full";
    let parts = Header::recognise([line.as_slice()].into_iter()).split(line);
    assert_eq!(&line[parts.time.unwrap()], b"2024-01-01 10:00:00");
    assert_eq!(&line[parts.level.unwrap()], b"WARN");
    assert_eq!(&line[parts.process.unwrap()], b"shop.cart");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_line_is_too_strange(lines in prop::collection::vec(
        prop::collection::vec(prop_oneof![any::<u8>(), Just(b'['), Just(b' '), Just(b':'), Just(b'1')], 0..60),
        0..20,
    )) {
        let header = Header::recognise(lines.iter().map(Vec::as_slice));
        for line in &lines {
            let message = header.split(line).message;
            prop_assert!(message.start <= message.end && message.end <= line.len());
        }
    }
}
