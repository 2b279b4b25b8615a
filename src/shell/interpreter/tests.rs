//! What lines print, by the lists, pipes, jobs and bounds of the shell.

use super::*;
use crate::shell::files::Files;
use crate::sim::{Fault, HostId, Micros};

/// A terminal whose sleeps end when the test says so.
struct Terminal {
    shell: Shell,
    now: SimTime,
    output: String,
    sleeps: Vec<Token>,
    other: Vec<Ask>,
    files: Files,
}

impl Terminal {
    fn new() -> Terminal {
        let machine = Machine { hosts: vec!["etcd-1".into(), "etcd-2".into()], ..Machine::default() };
        let (output, sleeps, other) = (String::new(), Vec::new(), Vec::new());
        let files = Files::default();
        Terminal { shell: Shell::new(machine), now: SimTime::ZERO, output, sleeps, other, files }
    }

    fn take(&mut self, asks: Vec<Ask>) {
        for ask in asks {
            match ask {
                Ask::Stdout(text) => self.output += &text,
                Ask::Stderr(text) => self.output += &text.lines().map(|line| format!("! {line}\n")).collect::<String>(),
                Ask::Sleep { token, .. } => self.sleeps.push(token),
                other => self.other.push(other),
            }
        }
    }

    fn line(&mut self, line: &str) -> String {
        let mut asks = Asks::new(&mut self.files);
        self.now += Micros(1);
        self.shell.line(self.now, line, &mut asks);
        let asks = asks.into_list();
        self.take(asks);
        std::mem::take(&mut self.output)
    }

    /// Runs a line to its end, through all its rests.
    fn run_out(&mut self, line: &str) -> String {
        let mut output = self.line(line);
        while self.shell.running() {
            output += &self.wake();
        }
        output
    }

    fn tell(&mut self, tell: Tell) -> String {
        let mut asks = Asks::new(&mut self.files);
        self.now += Micros(1);
        self.shell.tell(self.now, tell, &mut asks);
        let asks = asks.into_list();
        self.take(asks);
        std::mem::take(&mut self.output)
    }

    fn wake(&mut self) -> String {
        let token = self.sleeps.remove(0);
        self.tell(Tell::Timer { token })
    }
}

#[track_caller]
fn check(line: &str, output: &str, status: i32) {
    let mut terminal = Terminal::new();
    assert_eq!(terminal.line(line), output);
    assert!(!terminal.shell.running());
    assert_eq!(terminal.shell.status(), status);
}

#[test]
fn lists_and_statuses() {
    check("true && echo yes || echo no", "yes\n", 0);
    check("false && echo yes || echo no", "no\n", 0);
    check("! false && echo turned; false; echo $?", "turned\n1\n", 0);
    check("foo", "! bash: foo: command not found\n", 127);
    check("echo a; (exit 3); echo $?", "a\n3\n", 0);
    check("echo 'a", "! bash: unexpected EOF while looking for matching `''\n", 2);
    check("# nothing", "", 0);
}

#[test]
fn variables_and_substitutions() {
    check("A='x  y'; echo $A \"$A\" '$A' ${A}z", "x y x  y $A x yz\n", 0);
    check("A=1 env | grep A=; echo [$A]", "A=1\n[]\n", 0);
    check("export B=2; env; unset B; env", "B=2\n", 0);
    check("echo a$(echo b; echo c)d \"$(printf '1\\n2\\n\\n')\"", "ab cd 1\n2\n", 0);
    check("echo $(echo $(echo deep))", "deep\n", 0);
    check("X=$(false); echo $?; X=$(echo v); echo $X", "1\nv\n", 0);
    check("for i in 1 $(echo 2 3); do echo -n $i,; done; echo; echo $i", "1,2,3,\n3\n", 0);
    check("A=1; { A=2; }; (A=3); echo $A", "2\n", 0);
    check("E=; echo [$E] x$E", "[] x\n", 0);
    check("sh -c 'echo in $0; exit 4'; echo $?", "in $0\n4\n", 0);
}

#[test]
fn loops_are_left() {
    check("for i in 1 2 3; do if_not=$i; echo $i; break; echo no; done; echo $i $?", "1\n1 0\n", 0);
    check("for i in 1 2 3; do echo $i; done | grep -e 3 -e 1", "1\n3\n", 0);
    check("for i in 1 2 3; do echo $i | grep -q 2 && continue; echo $i; done", "1\n3\n", 0);
    check("for i in 1 2; do for j in a b; do echo $i$j; break 2; done; echo no; done; echo $i", "1a\n1\n", 0);
    check("for i in 1 2; do for j in a b; do echo $i$j; continue 2; done; echo no; done", "1a\n2a\n", 0);
    check("for i in 1 2; do { ! break 9; }; done; echo $i", "1\n", 0);
    check("for i in 1 2; do echo $i; break; done > f; cat f", "1\n", 0);
    check("break; echo $?", "! bash: break: only meaningful in a `for', `while', or `until' loop\n0\n", 0);
    check("for i in 1 2; do continue 0; done; echo $?", "! bash: continue: 0: loop count out of range\n1\n", 0);
    check("for i in 1 2; do break x; done; echo no", "! bash: break: x: numeric argument required\n", 128);
    check("for i in 1 2; do break 1 2; done; echo no", "! bash: break: too many arguments\n", 1);
}

#[test]
fn pipes_and_redirections() {
    check("printf 'b\\na\\n' | sort | head -1", "a\n", 0);
    check("for i in 3 1 2; do echo $i; done | sort -r | paste -sd,", "3,2,1\n", 0);
    check("echo x >/dev/null; foo 2>/dev/null; echo y >&2", "! y\n", 0);
    check("foo 2>&1 | wc -l", "1\n", 0);
    check("cat <<< hello; cat </dev/null", "hello\n", 0);
    check(
        "echo x > f; echo y >> f; cat f; wc -l < f; cat nosuch",
        "x\ny\n2\n! cat: nosuch: No such file or directory\n",
        1,
    );
    check("echo x > no/such", "! bash: no/such: No such file or directory\n", 1);
    check(
        "echo x &> f; cat < nosuch; (echo a; foo) >f 2>&1; wc -l f",
        "! bash: nosuch: No such file or directory\n2 f\n",
        0,
    );
    check(
        "A=1; cat <<END; echo after\n$A \"$(echo b)\"\nEND\ncat <<'E' | tr a-z A-Z\n$A b\nE",
        "1 \"b\"\nafter\n$A B\n",
        0,
    );
    check("seq 3 | (read_nothing; cat) 2>/dev/null", "1\n2\n3\n", 0);
    check("echo a | false", "", 1);
}

#[test]
fn input_is_read_as_it_is_typed() {
    let mut terminal = Terminal::new();
    assert_eq!(terminal.line("cat | tr a-z A-Z; echo end"), "");
    assert!(terminal.shell.running());
    assert_eq!(terminal.line("typed"), "TYPED\n");
    assert_eq!(terminal.tell(Tell::StdinClosed), "end\n");
    assert!(!terminal.shell.running());
    terminal.line("cat");
    assert_eq!(terminal.tell(Tell::Interrupt), "");
    assert_eq!(terminal.shell.status(), 130);
}

#[test]
fn jobs_run_beside() {
    let mut terminal = Terminal::new();
    assert_eq!(terminal.line("sleep 5 && echo slept &"), "[1] 4000\n");
    assert_eq!(terminal.line("jobs"), "[1]+  Running                 sleep 5 && echo slept &\n");
    assert_eq!(terminal.wake(), "slept\n[1]+  Done                    sleep 5 && echo slept\n");
    assert_eq!(terminal.line("sleep 5 & sleep 6 &"), "[1] 4001\n[2] 4002\n");
    assert_eq!(terminal.line("kill %1"), "[1]+  Terminated              sleep 5\n");
    assert_eq!(terminal.line("fg"), "sleep 6\n");
    assert!(terminal.shell.running());
    terminal.sleeps.remove(0);
    assert_eq!(terminal.wake(), "");
    assert!(!terminal.shell.running());
}

#[test]
fn a_watch_ends_with_its_program() {
    let mut terminal = Terminal::new();
    terminal.line("etcdctl watch a | cat");
    assert!(matches!(terminal.other.as_slice(), [Ask::Watch { .. }]));
    terminal.tell(Tell::Interrupt);
    assert!(
        matches!(terminal.other.as_slice(), [Ask::Watch { token, .. }, Ask::Cancel { token: gone }] if token == gone)
    );
    assert!(terminal.shell.routes.is_empty());
}

#[test]
fn the_hand_on_the_machines() {
    let mut terminal = Terminal::new();
    assert_eq!(terminal.line("for h in $(lab hosts); do lab power-off $h; done"), "");
    let off = |host| Ask::Fault(Fault::PowerOff { host: HostId(host) });
    assert_eq!(terminal.other, [off(0), off(1)]);
    let complaint = "! lab: there is no host \"x\"\n! Try 'lab --help' for more information.\n";
    assert_eq!(terminal.line("lab restart x"), complaint);
    assert_eq!(terminal.shell.status(), 2);
}

#[test]
fn a_long_loop_can_be_stopped() {
    let mut terminal = Terminal::new();
    terminal.line("for i in $(seq 1000); do echo $i; done");
    assert!(terminal.shell.running());
    assert!(!terminal.wake().contains("\n500\n"));
    terminal.tell(Tell::Interrupt);
    assert!(!terminal.shell.running());
}

#[test]
fn hostile_lines_end() {
    let mut terminal = Terminal::new();
    terminal.run_out("S='sh -c \"$S\"'; export S; sh -c \"$S\"");
    assert!(terminal.run_out("for i in $(seq 300); do for j in $(seq 300); do true; done; done").contains("more than"));
    terminal.run_out(&format!("A=x; for i in $(seq 40); do A=$A$A; done; {}", "echo $(true);".repeat(2_000)));
    assert!(terminal.run_out("echo ${A}").len() <= VALUE_BYTES_MAX + 1);
    terminal.run_out(&format!("echo {}", "$(echo)".repeat(15_000)));
}
