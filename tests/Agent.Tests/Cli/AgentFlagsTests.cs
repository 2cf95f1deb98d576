using Accelerated.Agent.Cli;
using Accelerated.Agent.Etcd;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Agent.Tests.Cli;

public sealed class AgentFlagsTests
{
    // Every flag that flannel knows ("Flags" in docs/flannel.md) with a value that must not stop a node from starting.
    public static TheoryData<string> FlannelsFlags =>
    [
        "-etcd-endpoints=https://192.0.2.250:2379,https://192.0.2.251:2379", "-etcd-prefix=/coreos.com/network", "-etcd-keyfile=", "-etcd-certfile=",
        "-etcd-cafile=/etc/etcd/ca.pem", "-etcd-username=", "-etcd-password=", "-iface=eth0", "-iface-regex=^10", "-iface-can-reach=192.0.2.250",
        "-public-ip=203.0.113.7", "-public-ipv6=", "-subnet-file=/run/flannel/subnet.env", "-subnet-lease-renew-margin=60", "-ip-masq",
        "-ip-masq-fully-random-disable", "-iptables-resync=5", "-iptables-forward-rules=false", "-ip-blackhole-route=false", "-healthz-ip=127.0.0.1",
        "-healthz-port=0", "-healthz-port=8471", "-kube-subnet-mgr=false", "-kube-subnet-mgr=0", "-kube-api-url=", "-kube-annotation-prefix=flannel.alpha.coreos.com",
        "-kubeconfig-file=", "-net-config-path=/etc/kube-flannel/net-conf.json", "-set-node-network-unavailable=true", "-v=0", "-vmodule=",
        "-log_backtrace_at=:0", "-version=false",
    ];

    // One or two arguments or VARIABLE=value, the whole message.
    public static TheoryData<string, string> Refused => new()
    {
        { "--kube-subnet-mgr",
            "--kube-subnet-mgr=true: subnets from the Kubernetes API are not supported: run etcd mode, or keep flannel on this node" },
        { "--kube-subnet-mgr=1",
            "--kube-subnet-mgr=1: subnets from the Kubernetes API are not supported: run etcd mode, or keep flannel on this node" },
        { "FLANNELD_KUBE_SUBNET_MGR=true",
            "FLANNELD_KUBE_SUBNET_MGR=true: subnets from the Kubernetes API are not supported: run etcd mode, or keep flannel on this node" },
        { "--ip-blackhole-route", "--ip-blackhole-route=true: not supported in this version: remove the flag" },
        { "--public-ipv6=2001:db8::1", "--public-ipv6=2001:db8::1: IPv6 is not supported in this version: remove the flag" },
        { "--healthz-port=80800", "--healthz-port=80800: expected a port, or 0 for none" },
        { "--healthz-ip=localhost", "--healthz-ip=localhost: expected an address of this host, or 0.0.0.0 for all" },
        { "FLANNELD_HEALTHZ_PORT=80800", "FLANNELD_HEALTHZ_PORT=80800: expected a port, or 0 for none" },
        { "--datapath=fast", "--datapath=fast: expected auto, bpf, kernel or host-gw" },
        { "--shortcut=on", "--shortcut=on: expected established, always or off" },
        { "--shortcut-mark=0xf0f0", "--shortcut-mark=0xf0f0: expected a mask of at least 4 bits in one run, like 0xffff0000" },
        { "--shortcut-mark=7", "--shortcut-mark=7: expected a mask of at least 4 bits in one run, like 0xffff0000" },
        { "--shortcut-mark=0x1ffff0000", "--shortcut-mark=0x1ffff0000: expected a mask of at least 4 bits in one run, like 0xffff0000" },
        { "--guard=hard", "--guard=hard: expected strict, vtep, observe or off" },
        { "--guard-allow=203.0.113.0/24,here", "--guard-allow=203.0.113.0/24,here: here is not an IPv4 network like 203.0.113.0/24, or an address" },
        { "--guard-allow=203.0.113.7/24", "--guard-allow=203.0.113.7/24: 203.0.113.7/24 is not an IPv4 network like 203.0.113.0/24, or an address" },
        { "--guard-allow=203.0.113.0/33", "--guard-allow=203.0.113.0/33: 203.0.113.0/33 is not an IPv4 network like 203.0.113.0/24, or an address" },
        { "FLANNELD_GUARD_ALLOW=2001:db8::/32", "FLANNELD_GUARD_ALLOW=2001:db8::/32: 2001:db8::/32 is not an IPv4 network like 203.0.113.0/24, or an address" },
        { "--guard-allow=203.0.113", "--guard-allow=203.0.113: 203.0.113 is not an IPv4 network like 203.0.113.0/24, or an address" },
        { "--bpf-attach=xdp", "--bpf-attach=xdp: expected auto, tcx or clsact" },
        { "--bpf-compile=yes", "--bpf-compile=yes: expected auto, always or never" },
        { "--tunnel-in=kernel", "--tunnel-in=kernel: expected auto, bpf or driver" },
        { "--subnet-lease-renew-margin=0", "--subnet-lease-renew-margin=0: expected 1 to 1439 minutes" },
        { "--subnet-lease-renew-margin=1440", "--subnet-lease-renew-margin=1440: expected 1 to 1439 minutes" },
        { "FLANNELD_SUBNET_LEASE_RENEW_MARGIN=-1", "FLANNELD_SUBNET_LEASE_RENEW_MARGIN=-1: expected 1 to 1439 minutes" },
        { "--subnet-lease-renew-margin=60 --subnet-lease-ttl=1h", "--subnet-lease-renew-margin=60: expected less than the 1h that the lease lasts (--subnet-lease-ttl)" },
        { "--subnet-lease-renew-margin=1 --subnet-lease-ttl=30s", "--subnet-lease-renew-margin=1: expected less than the 30s that the lease lasts (--subnet-lease-ttl)" },
        { "--subnet-lease-renew-margin=1h", "--subnet-lease-renew-margin=1h: expected a whole number" },
        { "--subnet-lease-ttl=29s", "--subnet-lease-ttl=29s: expected a duration like 90s, 15m or 24h, from 30s to 720h" },
        { "--subnet-lease-ttl=721h", "--subnet-lease-ttl=721h: expected a duration like 90s, 15m or 24h, from 30s to 720h" },
        { "--subnet-lease-ttl=1d", "--subnet-lease-ttl=1d: expected a duration like 90s, 15m or 24h, from 30s to 720h" },
        { "--subnet-lease-ttl=60", "--subnet-lease-ttl=60: expected a duration like 90s, 15m or 24h, from 30s to 720h" },
        { "--subnet-lease-ttl=", "--subnet-lease-ttl=: expected a duration like 90s, 15m or 24h, from 30s to 720h" },
        { "--subnet-lease-ttl=h", "--subnet-lease-ttl=h: expected a duration like 90s, 15m or 24h, from 30s to 720h" },
        { "--subnet-lease-ttl=-24h", "--subnet-lease-ttl=-24h: expected a duration like 90s, 15m or 24h, from 30s to 720h" },
        { "--subnet-lease-ttl=99999999999999999999999h",
            "--subnet-lease-ttl=99999999999999999999999h: expected a duration like 90s, 15m or 24h, from 30s to 720h" },
        { "--subnet-lease-ttl=NaNs", "--subnet-lease-ttl=NaNs: expected a duration like 90s, 15m or 24h, from 30s to 720h" },
        { "--subnet-lease-ttl=Infinityh", "--subnet-lease-ttl=Infinityh: expected a duration like 90s, 15m or 24h, from 30s to 720h" },
        { "FLANNELD_RECONCILE_INTERVAL=0s", "FLANNELD_RECONCILE_INTERVAL=0s: expected a duration like 90s, 15m or 24h, from 1s to 1h" },
        { "--public-ip=host-1", "--public-ip=host-1: expected an IPv4 address" },
        { "--public-ip=127.0.0.1", "--public-ip=127.0.0.1: no other host reaches it: expected the address at which the others reach this one" },
        { "FLANNELD_PUBLIC_IP=0.0.0.0", "FLANNELD_PUBLIC_IP=0.0.0.0: no other host reaches it: expected the address at which the others reach this one" },
        { "--public-ip=224.0.0.5", "--public-ip=224.0.0.5: no other host reaches it: expected the address at which the others reach this one" },
        { "--public-ip=255.255.255.255", "--public-ip=255.255.255.255: no other host reaches it: expected the address at which the others reach this one" },
        { "--public-ip=2001:db8::1", "--public-ip=2001:db8::1: expected an IPv4 address" },
        { "--public-ip=192.0.513", "--public-ip=192.0.513: expected an IPv4 address" },
        { "FLANNELD_PUBLIC_IP=x", "FLANNELD_PUBLIC_IP=x: expected an IPv4 address" },
        { "--iface-can-reach=x", "--iface-can-reach=x: expected an IPv4 address" },
        { "--etcd-prefix=", "--etcd-prefix=: expected a path like /coreos.com/network" },
        { "--etcd-prefix=/", "--etcd-prefix=/: expected a path like /coreos.com/network" },
        { "--etcd-prefix=coreos.com/network", "--etcd-prefix=coreos.com/network: expected a path like /coreos.com/network" },
        { "--subnet-file=", "--subnet-file=: expected a path" },
        { "--run-dir=", "--run-dir=: expected a path" },
        { "--state-dir=", "--state-dir=: expected a path" },
        { "--instance=", "--instance=: expected up to 32 of a-z, 0-9, - and _, beginning with a letter or digit" },
        { "--instance=A", "--instance=A: expected up to 32 of a-z, 0-9, - and _, beginning with a letter or digit" },
        { "--instance=../x", "--instance=../x: expected up to 32 of a-z, 0-9, - and _, beginning with a letter or digit" },
        { "--instance=a\n", "--instance=a\n: expected up to 32 of a-z, 0-9, - and _, beginning with a letter or digit" },
        { "--ip-masq=yes", "--ip-masq=yes: expected true or false" },
        { "FLANNELD_IP_MASQ=yes", "FLANNELD_IP_MASQ=yes: expected true or false" },
        { "--iface", "--iface needs a value: write --iface=eth0" },
        { "--ifcae=eth0", "--ifcae is not a flag of the agent: did you mean --iface? (accelerated agent --help lists them)" },
    };

    [Fact]
    public void Read_WithoutAnything_HasFlannelsDefaults()
    {
        var options = Read();

        Assert.Equal(["http://127.0.0.1:4001", "http://127.0.0.1:2379"], options.Etcd.Endpoints.Select(e => e.GetLeftPart(UriPartial.Authority)));
        Assert.Equal((null, null, null, null, null),
            (options.Etcd.CaFile, options.Etcd.CertFile, options.Etcd.KeyFile, options.Etcd.Username, options.Etcd.Password));
        Assert.Equal("/coreos.com/network", options.EtcdPrefix);
        Assert.Equal("/run/flannel/subnet.env", options.SubnetFile);
        Assert.Equal((false, true, true), (options.Firewall.Masquerade, options.Firewall.FullyRandom, options.Firewall.AcceptForwarded));
        Assert.Equal(TimeSpan.FromHours(24), options.SubnetLeaseTtl);
        Assert.Equal(TimeSpan.FromHours(1), options.RenewMargin);
        Assert.Equal(("/run/accelerated", "/var/lib/accelerated", "default"), (options.RunDirectory, options.StateDirectory, options.Instance));
        Assert.Equal((DatapathChoice.Auto, TimeSpan.FromSeconds(10), false), (options.Datapath, options.ReconcileInterval, options.Verbose));
        Assert.Equal(OverlayGuard.Vtep, options.Firewall.Guard);
        Assert.Empty(options.Firewall.GuardAllow);
        Assert.Empty(options.Underlay.Interfaces);
        Assert.Empty(options.Underlay.Patterns);
        Assert.Null(options.Underlay.CanReach);
        Assert.Null(options.Underlay.PublicIP);
        Assert.Empty(options.Notices);
    }

    [Fact]
    public void Read_OfFurtherSenders_TakesListsAndLeavesOutWhatLiesInsideAnother()
    {
        var options = Read("--guard=strict", "--guard-allow=203.0.113.9, 198.51.100.0/24", "--guard-allow=198.51.100.128/25,203.0.113.9/32,");

        Assert.Equal(OverlayGuard.Strict, options.Firewall.Guard);
        Assert.Equal(["198.51.100.0/24", "203.0.113.9/32"], options.Firewall.GuardAllow.Select(n => n.ToString()));
    }

    // Lines from published unit and environment files.
    [Fact]
    public void Read_OfLinesThatPeopleUse_UnderstandsThem()
    {
        var options = Read(
            "--etcd-endpoints=https://10.0.0.1:2379,https://10.0.0.2:2379,https://10.0.0.3:2379", "-etcd-cafile=/opt/ca.pem", "-etcd-certfile=/opt/c.pem",
            "-etcd-keyfile=/opt/k.pem", "-etcd-prefix=/kube/network/", "--ip-masq", "-iface", "eth1", "-iface=10.0.0.4", "-iface-regex", "eth.*|enp.*",
            "--public-ip", "203.0.113.7", "-v=10");

        Assert.Equal(3, options.Etcd.Endpoints.Count);
        Assert.Equal(("/opt/ca.pem", "/opt/c.pem", "/opt/k.pem"), (options.Etcd.CaFile, options.Etcd.CertFile, options.Etcd.KeyFile));
        Assert.Equal("/kube/network", options.EtcdPrefix);
        Assert.True(options.Firewall.Masquerade);
        Assert.Equal(["eth1", "10.0.0.4"], options.Underlay.Interfaces);
        Assert.Equal(["eth.*|enp.*"], options.Underlay.Patterns);
        Assert.Equal("203.0.113.7", options.Underlay.PublicIP!.ToString());
        Assert.True(options.Verbose);
    }

    [Fact]
    public void Read_OfTheEnvironment_LetsTheCommandLineWin()
    {
        var options = new AgentFlags().Read(["--etcd-prefix=/line", "--ip-masq=false"], Variables(
            "FLANNELD_ETCD_PREFIX=/environment", "FLANNELD_IP_MASQ=true", "FLANNELD_ETCD_ENDPOINTS=http://192.0.2.250:2379", "FLANNELD_IFACE=eth1",
            "FLANNELD_ETCD_USERNAME=root", "FLANNELD_ETCD_PASSWORD=secret", "FLANNELD_SUBNET_FILE=", "FLANNELD_IPTABLES_FORWARD_RULES=f"));

        Assert.Equal(("/line", false), (options.EtcdPrefix, options.Firewall.Masquerade));
        Assert.Equal("192.0.2.250", Assert.Single(options.Etcd.Endpoints).Host);
        Assert.Equal(["eth1"], options.Underlay.Interfaces);
        Assert.Equal(("root", "secret"), (options.Etcd.Username, options.Etcd.Password));
        Assert.Equal("/run/flannel/subnet.env", options.SubnetFile);
        Assert.False(options.Firewall.AcceptForwarded);
    }

    // The environment files of flannel's packages ("How people run it"), the command line of the unit that goes with each, and what comes of it.
    public static TheoryData<string, string, string> PackagedFiles => new()
    {
        // Nothing of it on the command line.
        { "FLANNEL_ETCD=http://10.0.0.1:2379|FLANNEL_ETCD_KEY=/atomic.io/network|FLANNEL_OPTIONS=--ip-masq", "", "http://10.0.0.1:2379/ /atomic.io/network masq" },
        { "FLANNEL_ETCD_ENDPOINTS=http://10.0.0.1:2379,http://10.0.0.2:2379|FLANNEL_ETCD_PREFIX=/atomic.io/network", "",
            "http://10.0.0.1:2379/ http://10.0.0.2:2379/ /atomic.io/network" },
        { "FLANNEL_ETCD=-etcd-endpoints=http://10.0.0.1:2379", "", "http://10.0.0.1:2379/ /coreos.com/network" },
        { "FLANNEL_ETCD=-etcd-endpoints=http://10.0.0.1:2379 -etcd-prefix=/x|FLANNEL_OPTIONS=", "", "http://10.0.0.1:2379/ /x" },
        { "FLANNEL_ETCD=\"http://10.0.0.1:2379\"", "", "http://10.0.0.1:2379/ /coreos.com/network" },
        { "FLANNEL_ETCD=http://10.0.0.1:2379, http://10.0.0.2:2379", "", "http://10.0.0.1:2379/ http://10.0.0.2:2379/ /coreos.com/network" },
        { "FLANNEL_OPTIONS=--etcd-endpoints=http://a:1,http://b:2 -ip-masq -iface='eth1' -iface eth2 --public-ip=203.0.113.7", "",
            "http://a:1/ http://b:2/ /coreos.com/network masq eth1,eth2 203.0.113.7" },

        // -etcd-endpoints=${FLANNEL_ETCD} $FLANNEL_OPTIONS and ${FLANNEL_ETCD} $FLANNEL_OPTIONS, expanded by systemd: the same.
        { "FLANNEL_ETCD=http://a:1|FLANNEL_OPTIONS=--ip-masq -iface=eth1 -iface=eth2", "-etcd-endpoints=http://a:1|--ip-masq|-iface=eth1|-iface=eth2",
            "http://a:1/ /coreos.com/network masq eth1,eth2" },
        { "FLANNEL_ETCD=-etcd-endpoints=http://a:1|FLANNEL_OPTIONS=-iface=eth1", "-etcd-endpoints=http://a:1|-iface=eth1", "http://a:1/ /coreos.com/network eth1" },

        // Not expanded, or empty.
        { "FLANNEL_ETCD=http://a:1|FLANNEL_OPTIONS=--ip-masq", "-etcd-endpoints=${FLANNEL_ETCD}|$FLANNEL_OPTIONS", "http://a:1/ /coreos.com/network masq" },
        { "FLANNEL_ETCD=-etcd-endpoints=http://a:1", "${FLANNEL_ETCD}||", "http://a:1/ /coreos.com/network" },
        { "FLANNEL_ETCD=|FLANNEL_ETCD_KEY= |FLANNEL_OPTIONS=\t", "--etcd-endpoints=http://a:1|", "http://a:1/ /coreos.com/network" },

        // Who wins.
        { "FLANNEL_ETCD=http://d:4|FLANNEL_ETCD_ENDPOINTS=http://c:3|FLANNEL_OPTIONS=-etcd-endpoints=http://b:2|FLANNELD_ETCD_ENDPOINTS=http://a:1", "",
            "http://a:1/ /coreos.com/network" },
        { "FLANNEL_ETCD=http://d:4|FLANNEL_ETCD_ENDPOINTS=http://c:3|FLANNEL_OPTIONS=-etcd-endpoints=http://b:2", "", "http://b:2/ /coreos.com/network" },
        { "FLANNEL_ETCD=http://d:4|FLANNEL_ETCD_ENDPOINTS=http://c:3", "", "http://c:3/ /coreos.com/network" },
        { "FLANNEL_ETCD_KEY=/d|FLANNEL_ETCD_PREFIX=/c|FLANNEL_ETCD=http://d:4", "", "http://d:4/ /c" },
        { "FLANNELD_ETCD_PREFIX=/b|ACCELERATED_ETCD_PREFIX=/a|FLANNEL_ETCD=http://d:4", "", "http://d:4/ /a" },
        { "FLANNELD_ETCD_PREFIX=/b|ACCELERATED_ETCD_PREFIX=/a|FLANNEL_ETCD=http://d:4", "-etcd-prefix=/line", "http://d:4/ /line" },
        { "FLANNEL_OPTIONS=-iface=eth1 -ip-masq|FLANNEL_ETCD=http://d:4", "-iface=eth9|--ip-masq=false", "http://d:4/ /coreos.com/network eth9" },
    };

    public static TheoryData<string, string> BadFiles => new()
    {
        { "FLANNEL_OPTIONS=--ip-masq=maybe", "FLANNEL_OPTIONS: --ip-masq=maybe: expected true or false" },
        { "FLANNEL_OPTIONS=--public-ip=host", "FLANNEL_OPTIONS: --public-ip=host: expected an IPv4 address" },
        { "FLANNEL_OPTIONS=-ifcae=eth0", "FLANNEL_OPTIONS: --ifcae is not a flag of the agent: did you mean --iface? (accelerated agent --help lists them)" },
        { "FLANNEL_OPTIONS=--iface='eth0", "FLANNEL_OPTIONS: a quote (') is not closed" },
        { "FLANNEL_OPTIONS=--kube-subnet-mgr",
            "FLANNEL_OPTIONS: --kube-subnet-mgr=true: subnets from the Kubernetes API are not supported: run etcd mode, or keep flannel on this node" },
        { "FLANNEL_ETCD_KEY=atomic.io", "FLANNEL_ETCD_KEY=atomic.io: expected a path like /coreos.com/network" },
        { "FLANNEL_ETCD=-etcd=http://a:1", "FLANNEL_ETCD: --etcd is not a flag of the agent (accelerated agent --help lists them)" },
        { "ACCELERATED_DATAPATH=fast", "ACCELERATED_DATAPATH=fast: expected auto, bpf, kernel or host-gw" },
    };

    [Theory]
    [MemberData(nameof(PackagedFiles))]
    public void Read_OfFlannelsPackagedFiles_UnderstandsThem(string variables, string arguments, string expected)
    {
        var options = new AgentFlags().Read(arguments.Split('|'), Variables(variables.Split('|')));

        Assert.Equal(expected, string.Join(' ', (IEnumerable<object>)
        [
            .. options.Etcd.Endpoints, options.EtcdPrefix, .. options.Firewall.Masquerade ? ["masq"] : Array.Empty<string>(),
            .. options.Underlay.Interfaces.Count > 0 ? [string.Join(',', options.Underlay.Interfaces)] : Array.Empty<string>(),
            .. options.Underlay.PublicIP is { } ip ? [ip] : Array.Empty<object>(),
        ]));
    }

    [Theory]
    [MemberData(nameof(BadFiles))]
    public void Read_OfAnErrorInAPackagedFile_NamesTheVariable(string variable, string expected) =>
        Assert.Equal(expected, Assert.Throws<CommandLineException>(() => new AgentFlags().Read([], Variables(variable))).Message);

    [Theory]
    [InlineData("FLANNEL_ETCD=ftp://a:1", "FLANNEL_ETCD")]
    [InlineData("FLANNEL_OPTIONS=-etcd-endpoints=ftp://a:1", "FLANNEL_OPTIONS: --etcd-endpoints")]
    [InlineData("FLANNELD_ETCD_ENDPOINTS=ftp://a:1", "FLANNELD_ETCD_ENDPOINTS")]
    public void Read_OfABadEndpointInAVariable_NamesIt(string variable, string expected)
    {
        var e = Assert.Throws<CommandLineException>(() => new AgentFlags().Read([], Variables(variable)));

        Assert.StartsWith(expected, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("---", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Explain_OfAnErrorOfTheClient_NamesWhereTheValueCameFrom()
    {
        var flags = new AgentFlags();
        flags.Parse(["--etcd-keyfile=/k"], Variables("FLANNEL_OPTIONS=-etcd-certfile=/c"));

        Assert.Equal("FLANNEL_OPTIONS: --etcd-certfile=/c needs", flags.Explain(new EtcdOptionsException("--etcd-certfile=/c needs")));
        Assert.Equal("--etcd-keyfile=/k needs", flags.Explain(new EtcdOptionsException("--etcd-keyfile=/k needs")));
        Assert.Equal("something else", flags.Explain(new EtcdOptionsException("something else")));
    }

    [Fact]
    public void Read_OfAVariableThatNobodyExpanded_SaysSo() =>
        Assert.Equal(
            ["$FLANNEL_OPTIONS is left out: nobody expanded the variable, so it is read from the environment if it is there"],
            Read("$FLANNEL_OPTIONS").Notices);

    [Theory]
    [InlineData("--version", true)]
    [InlineData("-version", true)]
    [InlineData("-version=true", true)]
    [InlineData("--version=false", false)]
    [InlineData("--ip-masq", false)]
    public void Parse_OfVersion_IsKnownWhateverElseIsWrong(string argument, bool expected)
    {
        var flags = new AgentFlags();
        flags.Parse(["--public-ip=nonsense", argument], _ => null);

        Assert.Equal(expected, flags.AsksForVersion);
    }

    [Theory]
    [MemberData(nameof(FlannelsFlags))]
    public void Read_OfAFlagOfFlannels_Succeeds(string argument) => Read(argument);

    [Theory]
    [MemberData(nameof(Refused))]
    public void Read_OfSomethingWrong_NamesTheFlagOrVariable(string argument, string expected)
    {
        var e = Assert.Throws<CommandLineException>(() =>
            argument.StartsWith("FLANNELD_", StringComparison.Ordinal) ? new AgentFlags().Read([], Variables(argument)) : Read(argument.Split(" --") is [var first, var second] ? [first, "--" + second] : [argument]));
        Assert.Equal(expected, e.Message);
    }

    [Theory]
    [InlineData("--iface-regex=(")]
    [InlineData("FLANNELD_IFACE_REGEX=(")]
    public void Read_OfABadPattern_NamesItAndWhatIsWrong(string argument)
    {
        var e = Assert.Throws<CommandLineException>(() =>
            argument[0] == '-' ? Read(argument) : new AgentFlags().Read([], Variables(argument)));

        Assert.StartsWith($"{argument}: not a regular expression (", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--etcd-endpoints=")]
    [InlineData("--etcd-endpoints=,")]
    [InlineData("--etcd-endpoints=ftp://192.0.2.250:2379")]
    [InlineData("--etcd-endpoints=http://192.0.2.250:2379,ht tp://x")]
    [InlineData("--etcd-endpoints=http://root:secret@192.0.2.250:2379")]
    [InlineData("--etcd-endpoints=http://192.0.2.250:2379/v3")]
    public void Read_OfABadEndpoint_NamesTheFlagAndNoSecret(string argument)
    {
        // The client checks endpoints where it is told them; either way the operator reads which flag it is.
        var e = Assert.ThrowsAny<Exception>(() => Read(argument));

        Assert.True(e is CommandLineException or EtcdOptionsException, e.ToString());
        Assert.StartsWith("--etcd-endpoints", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--etcd-endpoints=192.0.2.250:2379", "http://192.0.2.250:2379/")] // flannel's client takes it as well.
    [InlineData("--etcd-endpoints= http://a:1 , http://b:2 ", "http://a:1/ http://b:2/")]
    public void Read_OfEndpointsAsPeopleWriteThem_UnderstandsThem(string argument, string expected) =>
        Assert.Equal(expected, string.Join(' ', Read(argument).Etcd.Endpoints));

    [Fact]
    public void Read_OfFlagsWithoutEffect_SaysSo()
    {
        var options = new AgentFlags().Read(["-iptables-resync=10", "-vmodule=x=2"], Variables("FLANNELD_NET_CONFIG_PATH=/etc/x"));

        Assert.Equal(
            [
                "--iptables-resync has no effect: rules are watched and repaired at once, there is no polling",
                "--vmodule has no effect: per-file log levels are a glog feature; use -v",
                "FLANNELD_NET_CONFIG_PATH has no effect: only read with kube-subnet-mgr",
            ],
            options.Notices);
    }

    [Theory]
    [InlineData("--subnet-lease-ttl=30s", 30)] // Less than the default margin, which is then none.
    [InlineData("--subnet-lease-ttl=1.5m", 90)]
    [InlineData("--subnet-lease-ttl=720h", 2_592_000)]
    public void Read_OfADuration_UnderstandsItsUnit(string argument, int seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), Read(argument).SubnetLeaseTtl);

    [Fact]
    public void SocketPath_OfInstances_DoesNotCollide()
    {
        Assert.Equal("/run/accelerated/agent.sock", AgentOptions.SocketPath("/run/accelerated", "default"));
        Assert.Equal("/run/accelerated/b/agent.sock", AgentOptions.SocketPath("/run/accelerated", "b"));
        Assert.Equal("/run/accelerated/agent.lock", AgentOptions.LockPath("/run/accelerated", "default"));
    }

    [Fact]
    public void Help_OfTheAgent_ListsEveryFlagThatDoesSomething()
    {
        var help = new AgentFlags().Help().ToList();

        Assert.Contains("  --etcd-endpoints=http://192.0.2.250:2379", help);
        Assert.Contains("        etcd members, separated by commas (default http://127.0.0.1:4001,http://127.0.0.1:2379)", help);
        Assert.Contains("  --ip-masq", help);
        Assert.DoesNotContain(help, l => l.Contains("kube", StringComparison.Ordinal));
    }

    private static AgentOptions Read(params string[] arguments) => new AgentFlags().Read(arguments, _ => null);

    private static Func<string, string?> Variables(params string[] variables) =>
        name => variables.Select(v => v.Split('=', 2)).FirstOrDefault(v => v[0] == name)?[1];
}
