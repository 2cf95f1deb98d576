using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Accelerated.Agent.Datapath;
using Accelerated.Agent.Datapath.Lanes;
using Accelerated.Agent.Etcd;
using Accelerated.Agent.Node;
using Accelerated.Agent.State;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Agent.Cli;

/// <summary>The flags of <c>accelerated agent</c>: flannel's, by the same names and defaults, and our own.</summary>
internal sealed partial class AgentFlags
{
    /// <summary>Ours wins over flannel's.</summary>
    private static readonly string[] EnvironmentPrefixes = ["ACCELERATED_", "FLANNELD_"];
    private const int MinutesPerDay = 24 * 60;

    private readonly GoFlagSet _set = new();
    private readonly List<(GoFlag Flag, string Notice)> _accepted = [];
    private readonly List<(GoFlag Flag, string Reason)> _refused = [];
    private readonly GoFlag _endpoints, _prefix, _keyFile, _certFile, _caFile, _username, _password;
    private readonly GoFlag _iface, _ifaceRegex, _ifaceCanReach, _publicIP;
    private readonly GoFlag _subnetFile, _renewMargin, _leaseTtl;
    private readonly GoFlag _ipMasq, _notRandom, _forwardRules, _openPort;
    private readonly GoFlag _runDir, _stateDir, _instance, _datapath, _guard, _guardAllow, _tunnelIn, _shortcut, _shortcutMark, _xdp, _bpfDir, _bpfAttach, _bpfCompile, _bpfObjectDir, _subnetChange, _restartUnits, _interval, _healthIP, _healthPort, _verbosity, _version;
    private readonly (string Name, GoFlag? Flag, string Description)[] _variables;

    /// <summary>The flags at their defaults.</summary>
    public AgentFlags()
    {
        _endpoints = Text("etcd-endpoints", "http://127.0.0.1:4001,http://127.0.0.1:2379", "http://192.0.2.250:2379", "etcd members, separated by commas");
        _prefix = Text("etcd-prefix", "/coreos.com/network", "/coreos.com/network", "where the network is kept in etcd");
        _keyFile = Text("etcd-keyfile", "", "FILE", "client key (PEM) for TLS");
        _certFile = Text("etcd-certfile", "", "FILE", "client certificate (PEM) for TLS");
        _caFile = Text("etcd-cafile", "", "FILE", "certificate authority (PEM) that signed etcd's certificate");
        _username = Text("etcd-username", "", "NAME", "etcd user");
        _password = Text("etcd-password", "", "PASSWORD", "that user's password (better in the environment: FLANNELD_ETCD_PASSWORD)");
        _iface = Flag("iface", GoFlagKind.Repeatable, "", "eth0", "underlay interface, by name or address; repeatable, first hit wins");
        _ifaceRegex = Flag("iface-regex", GoFlagKind.Repeatable, "", "^10\\.1\\.", "underlay interface, by a pattern on its address, else on its name; repeatable");
        _ifaceCanReach = Text("iface-can-reach", "", "192.0.2.1", "underlay interface: the one that reaches this address");
        _publicIP = Text("public-ip", "", "203.0.113.7", "address peers reach this node at, when it is not the interface's own");
        _subnetFile = Text("subnet-file", "/run/flannel/subnet.env", "FILE", "where the subnet is written for Docker and CNI");
        _renewMargin = Number("subnet-lease-renew-margin", "60", "60", "renew the lease no later than this many minutes before it ends");
        _leaseTtl = Text("subnet-lease-ttl", "24h", "24h", "how long the subnet stays ours without a sign of life (30s … 720h)");
        _ipMasq = Boolean("ip-masq", "false", "masquerade traffic that leaves the overlay");
        _notRandom = Boolean("ip-masq-fully-random-disable", "false", "do not draw masqueraded source ports at random");
        _forwardRules = Boolean("iptables-forward-rules", "true", "accept forwarded overlay traffic: in our own table, and in the chains of iptables and Docker that would refuse it");
        _openPort = Boolean("open-port", "true", "let the overlay's UDP port in where iptables' INPUT chain refuses it; the guard keeps out who is no node, without it the port stays closed");
        _runDir = Text("run-dir", "/run/accelerated", "DIR", "status socket and lock");
        _stateDir = Text("state-dir", "/var/lib/accelerated", "DIR", "what outlives a reboot");
        _instance = Text("instance", AgentOptions.DefaultInstance, "NAME", "name of this agent, when a host runs several");
        _datapath = Text("datapath", "auto", "auto|bpf|kernel|host-gw", "what carries packets: auto is the eBPF lanes where they work, else the kernel's vxlan driver; bpf the same, and a warning while they do not");
        _guard = Text("guard", "vtep", "strict|vtep|observe|off", "VXLAN from senders that are no peers, by the wrong interface or with a forged inner source: drop it (strict: outer fragments too), only count it, or neither");
        _guardAllow = Flag("guard-allow", GoFlagKind.Repeatable, "", "203.0.113.0/24", "further senders of VXLAN: networks of peers behind NAT or with several addresses, separated by commas; repeatable");
        _tunnelIn = Text("tunnel-in", "auto", "auto|bpf|driver", "with the eBPF lanes: who decapsulates; auto leaves to the driver what its GRO could make larger");
        _shortcut = Text("shortcut", "established", "established|always|off", "with the eBPF lanes: flows that netfilter has accepted go straight between container and wire; always is for hosts where no rule has to see overlay traffic");
        _shortcutMark = Text("shortcut-mark", "0xffff0000", "0xffff0000", "the bits of the conntrack mark that prove it; others' rules must leave them alone");
        _xdp = Text("xdp", "off", "off|auto|on", "with the eBPF lanes: guard and decapsulate by XDP, before the kernel makes a packet of it; auto where the driver has native mode and nothing suffers, on wherever the driver has it");
        _bpfDir = Text("bpf-dir", "/sys/fs/bpf/accelerated", "DIR", "where maps and links of the eBPF lanes are pinned; on a BPF file system");
        _bpfAttach = Text("bpf-attach", "auto", "auto|tcx|clsact", "how programs are attached; auto is tcx where the kernel has it (Linux 6.6), and clsact beside other people's clsact filters");
        _bpfCompile = Text("bpf-compile", "auto", "auto|always|never", "whether programs are compiled on this host with clang; auto only if the kernel refuses the ones built in");
        _bpfObjectDir = Text("bpf-object-dir", "", "DIR", "load programs from DIR/NAME.bpf.o where there is such a file, for debugging");
        _subnetChange = Text("on-subnet-change", "notify", "notify|restart-units|exit", "what to do when this node's subnet is another than containers were given: say so, restart the units of --restart-units, or end with code 4");
        _restartUnits = Flag("restart-units", GoFlagKind.Repeatable, "", "docker.service", "systemd units that are made with the subnet, separated by commas; repeatable");
        _interval = Text("reconcile-interval", "10s", "10s", "how often everything is compared with the kernel without a reason");
        _healthIP = Text("healthz-ip", "0.0.0.0", "0.0.0.0", "where /healthz and /readyz listen");
        _healthPort = Number("healthz-port", "0", "8471", "port of /healthz and /readyz; 0 is none");
        _verbosity = Number("v", "0", "4", "more detail in the log when above 0");
        _version = Boolean("version", "false", "print the version and end");
        // The newer of two names first: flannel's start script took the older one only without it.
        _variables =
        [
            ("FLANNEL_OPTIONS", null, "any flags, split into words as a shell does"),
            ("FLANNEL_ETCD_ENDPOINTS", _endpoints, "the value of `--etcd-endpoints`, or flags"),
            ("FLANNEL_ETCD", _endpoints, "the same, an older name"),
            ("FLANNEL_ETCD_PREFIX", _prefix, "the value of `--etcd-prefix`, or flags"),
            ("FLANNEL_ETCD_KEY", _prefix, "the same, an older name"),
        ];

        Accepted(Number("iptables-resync", "5", "5", ""), "rules are watched and repaired at once, there is no polling");
        Accepted(Text("vmodule", "", "", ""), "per-file log levels are a glog feature; use -v");
        Accepted(Text("log_backtrace_at", "", "", ""), "a glog feature");
        Accepted(Text("net-config-path", "", "", ""), "only read with kube-subnet-mgr");
        Accepted(Text("kube-api-url", "", "", ""), "only read with kube-subnet-mgr");
        Accepted(Text("kube-annotation-prefix", "", "", ""), "only read with kube-subnet-mgr");
        Accepted(Text("kubeconfig-file", "", "", ""), "only read with kube-subnet-mgr");
        Accepted(Boolean("set-node-network-unavailable", "true", ""), "only read with kube-subnet-mgr");
        Refused(Boolean("kube-subnet-mgr", "false", ""), "subnets from the Kubernetes API are not supported: run etcd mode, or keep flannel on this node");
        Refused(Boolean("ip-blackhole-route", "false", ""), "not supported in this version: remove the flag");
        Refused(Text("public-ipv6", "", "", ""), "IPv6 is not supported in this version: remove the flag");
    }

    /// <summary>Whether <c>--version</c> was given; known after <see cref="Parse"/>.</summary>
    public bool AsksForVersion => _version.IsTrue;

    /// <summary>Reads command line and environment and checks every value: <see cref="Parse"/> and <see cref="Options"/>.</summary>
    /// <exception cref="CommandLineException">Names the flag or variable and the remedy.</exception>
    public AgentOptions Read(IReadOnlyList<string> arguments, Func<string, string?> environment)
    {
        Parse(arguments, environment);
        return Options();
    }

    /// <summary>
    /// Takes values, each from the first that has it: the command line, <c>ACCELERATED_FLAG_NAME</c>, <c>FLANNELD_FLAG_NAME</c>, and what
    /// the environment files of flannel's packages hold, which a unit hands on by <c>EnvironmentFile=</c>.
    /// </summary>
    /// <exception cref="CommandLineException">Names the flag or variable and the remedy.</exception>
    public void Parse(IReadOnlyList<string> arguments, Func<string, string?> environment)
    {
        _set.Parse(arguments);
        foreach (var prefix in EnvironmentPrefixes)
            _set.ParseEnvironment(environment, prefix);
        foreach (var (name, flag, _) in _variables)
        {
            if (environment(name)?.Trim() is not { Length: > 0 } value)
                continue;
            // In FLANNEL_ETCD people have "http://…" and "-etcd-endpoints=http://…", as their unit wants it.
            if (flag is null || value.TrimStart('"', '\'')[0] == '-')
                _set.ParseLine(name, value);
            else if (!flag.IsSet)
                flag.Set(Unquoted(name, value), name);
        }
    }

    /// <summary>An error of the etcd client, which only knows flags, with the variable that gave the flag its value.</summary>
    public string Explain(EtcdOptionsException error)
    {
        var flag = _set.Flags.FirstOrDefault(f => error.Message.StartsWith($"--{f.Name}", StringComparison.Ordinal)
            && (error.Message.Length == f.Name.Length + 2 || error.Message[f.Name.Length + 2] is '=' or ' ' or ':' or ','));
        return flag is null ? error.Message : flag.Origin + error.Message[(flag.Name.Length + 2)..];
    }

    /// <summary>What was asked for, after <see cref="Parse"/>.</summary>
    /// <exception cref="CommandLineException">Names the flag or variable and the remedy.</exception>
    public AgentOptions Options()
    {
        foreach (var (flag, reason) in _refused)
        {
            if (flag.IsBoolean ? flag.IsTrue : flag.Value != flag.Default)
                throw flag.Wrong(reason);
        }

        var margin = _renewMargin.Number;
        if (margin is < 1 or >= MinutesPerDay)
            throw _renewMargin.Wrong($"expected 1 to {MinutesPerDay - 1} minutes");
        var ttl = Duration(_leaseTtl, TimeSpan.FromSeconds(30), TimeSpan.FromDays(30));
        // The default margin, flannel's, goes with flannel's day; a shorter lease is renewed at a third of it anyway.
        if (_renewMargin.IsSet && TimeSpan.FromMinutes(margin) >= ttl)
            throw _renewMargin.Wrong($"expected less than the {Words(ttl)} that the lease lasts ({_leaseTtl.Origin})");
        return new AgentOptions
        {
            Etcd = ReadEtcd(),
            EtcdPrefix = Prefix(),
            Underlay = new UnderlayOptions(_iface.Values, Patterns(), Address(_ifaceCanReach), PublicIP()),
            Firewall = new FirewallOptions(_ipMasq.IsTrue, !_notRandom.IsTrue, _forwardRules.IsTrue, Guard(), GuardAllow(), _openPort.IsTrue),
            SubnetFile = NotEmpty(_subnetFile),
            RunDirectory = NotEmpty(_runDir),
            StateDirectory = NotEmpty(_stateDir),
            Instance = InstanceName().IsMatch(_instance.Value) ? _instance.Value : throw _instance.Wrong("expected up to 32 of a-z, 0-9, - and _, beginning with a letter or digit"),
            Datapath = Datapath(),
            Lanes = Lanes(),
            SubnetLeaseTtl = ttl,
            RenewMargin = TimeSpan.FromMinutes(margin),
            ReconcileInterval = Duration(_interval, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1)),
            Health = Health(),
            SubnetChange = SubnetChange(),
            Verbose = _verbosity.Number > 0,
            Notices =
            [
                .. _accepted.Where(a => a.Flag.IsSet).Select(a => $"{a.Flag.Origin} has no effect: {a.Notice}"),
                .. _set.Unexpanded.Select(u => $"{u} is left out: nobody expanded the variable, so it is read from the environment if it is there"),
            ],
        };
    }

    /// <summary>The text of <c>--help</c>.</summary>
    public IEnumerable<string> Help()
    {
        foreach (var flag in _set.Flags.Where(f => f.Description.Length > 0))
        {
            yield return $"  --{flag.Name}{(flag.IsBoolean ? "" : "=" + flag.Placeholder)}";
            yield return $"        {flag.Description}{(flag.Default.Length > 0 ? $" (default {flag.Default})" : "")}";
        }
    }

    /// <summary>Every flag as the table in docs/flags.md has it: a line of Markdown each.</summary>
    public IEnumerable<string> Table()
    {
        foreach (var flag in _set.Flags)
        {
            var state = _refused.Find(r => r.Flag == flag) is (not null, var reason) ? $"**refused**: {reason}"
                : _accepted.Find(a => a.Flag == flag) is (not null, var notice) ? $"*accepted, has no effect*: {notice}"
                : flag.Description;
            // A bar would be the next column.
            yield return $"| `--{flag.Name}{(flag.IsBoolean || flag.Placeholder.Length == 0 ? "" : "=" + flag.Placeholder.Replace("|", "\\|", StringComparison.Ordinal))}` | {(flag.Default.Length == 0 ? "" : $"`{flag.Default}`")} | {state} |";
        }
    }

    /// <summary>The variables of flannel's environment files as the table in docs/flags.md has them.</summary>
    public IEnumerable<string> VariableTable() => _variables.Select(v => $"| `{v.Name}` | {v.Description} |");

    /// <summary>Docker's --env-file leaves quotes where they are, and lists are written with and without commas.</summary>
    private static string Unquoted(string variable, string value)
    {
        try
        {
            return string.Join(',', CommandWords.Split(value));
        }
        catch (CommandLineException e)
        {
            throw new CommandLineException($"{variable}: {e.Message}", e);
        }
    }

    private EtcdClientOptions ReadEtcd()
    {
        try
        {
            return Etcd();
        }
        catch (EtcdOptionsException e)
        {
            throw new CommandLineException(Explain(e), e);
        }
    }

    private EtcdClientOptions Etcd()
    {
        var tls = new[] { _caFile, _certFile, _keyFile }.Any(f => f.Value.Length > 0);
        return new EtcdClientOptions
        {
            Endpoints = EtcdClientOptions.ParseEndpoints(_endpoints.Value, tls),
            CaFile = OrNull(_caFile),
            CertFile = OrNull(_certFile),
            KeyFile = OrNull(_keyFile),
            Username = OrNull(_username),
            Password = OrNull(_password),
        };
    }

    private string Prefix()
    {
        var prefix = _prefix.Value.TrimEnd('/');
        return prefix.Length > 0 && prefix[0] == '/' ? prefix : throw _prefix.Wrong("expected a path like /coreos.com/network");
    }

    private List<string> Patterns()
    {
        foreach (var pattern in _ifaceRegex.Values)
        {
            try
            {
                _ = UnderlaySelector.Pattern(pattern);
            }
            catch (Exception e) when (e is ArgumentException or NotSupportedException)
            {
                var what = e is NotSupportedException ? "it looks around or refers back, which Go's regular expressions cannot either" : e.Message;
                throw new CommandLineException($"{_ifaceRegex.Origin}={pattern}: not a regular expression ({what})", e);
            }
        }

        return [.. _ifaceRegex.Values];
    }

    private DatapathChoice Datapath() => _datapath.Value switch
    {
        "auto" => DatapathChoice.Auto,
        "kernel" => DatapathChoice.Kernel,
        "bpf" => DatapathChoice.Bpf,
        "host-gw" => DatapathChoice.HostGw,
        _ => throw _datapath.Wrong("expected auto, bpf, kernel or host-gw"),
    };

    private SubnetChangeOptions SubnetChange()
    {
        var policy = _subnetChange.Value switch
        {
            "notify" => SubnetChangePolicy.Notify,
            "restart-units" => SubnetChangePolicy.RestartUnits,
            "exit" => SubnetChangePolicy.Exit,
            _ => throw _subnetChange.Wrong("expected notify, restart-units or exit"),
        };
        var units = _restartUnits.Values.SelectMany(v => v.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)).Distinct().ToList();
        if (units.Find(u => !UnitName().IsMatch(u)) is { } bad)
            throw _restartUnits.Wrong($"\"{bad}\" is not the name of a systemd unit: expected names such as docker.service");
        if (policy == SubnetChangePolicy.RestartUnits && units.Count == 0)
            throw _subnetChange.Wrong("which units? Add --restart-units=docker.service");
        return policy != SubnetChangePolicy.RestartUnits && units.Count > 0
            ? throw _restartUnits.Wrong("nothing restarts them: add --on-subnet-change=restart-units")
            : new SubnetChangeOptions(policy, units);
    }

    private OverlayGuard Guard() => _guard.Value switch
    {
        "strict" => OverlayGuard.Strict,
        "vtep" => OverlayGuard.Vtep,
        "observe" => OverlayGuard.Observe,
        "off" => OverlayGuard.Off,
        _ => throw _guard.Wrong("expected strict, vtep, observe or off"),
    };

    /// <summary>Without those that lie inside another: nftables refuses sets of intervals that overlap.</summary>
    private ImmutableArray<IPNetwork> GuardAllow()
    {
        const StringSplitOptions parts = StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries;
        var networks = _guardAllow.Values.SelectMany(v => v.Split(',', parts), Network).Distinct().ToList();
        return [.. networks.Where(n => !networks.Any(other => other != n && other.Contains(n))).OrderBy(n => IPMath.ToNumber(n.BaseAddress))];

        IPNetwork Network(string value, string text)
        {
            var parts = text.Split('/', 2);
            // With bits behind the prefix one of the two is a slip, and this flag lets people in.
            return IPMath.TryParse(parts[0], AddressFamily.InterNetwork, out var address)
                && IPNetwork.TryParse(parts.Length < 2 ? text + "/32" : text, out var network) && network.BaseAddress.Equals(address)
                ? network
                : throw new CommandLineException($"{_guardAllow.Origin}={value}: {text} is not an IPv4 network like 203.0.113.0/24, or an address");
        }
    }

    private IPEndPoint? Health()
    {
        if (!IPAddress.TryParse(_healthIP.Value, out var address))
            throw _healthIP.Wrong("expected an address of this host, or 0.0.0.0 for all");
        return _healthPort.Number switch
        {
            0 => null,
            var port when port is > 0 and <= IPEndPoint.MaxPort => new IPEndPoint(address, (int)port),
            _ => throw _healthPort.Wrong("expected a port, or 0 for none"),
        };
    }

    private OverlayTunnelIn TunnelIn() => _tunnelIn.Value switch
    {
        "auto" => OverlayTunnelIn.Auto,
        "bpf" => OverlayTunnelIn.Bpf,
        "driver" => OverlayTunnelIn.Driver,
        _ => throw _tunnelIn.Wrong("expected auto, bpf or driver"),
    };

    private OverlayShortcut Shortcut() => _shortcut.Value switch
    {
        "established" => OverlayShortcut.Established,
        "always" => OverlayShortcut.Always,
        "off" => OverlayShortcut.Off,
        _ => throw _shortcut.Wrong("expected established, always or off"),
    };

    private uint ShortcutMark()
    {
        var text = _shortcutMark.Value;
        var isHex = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        var parsed = isHex
            ? uint.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var mask)
            : uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out mask);
        return parsed && AcceptMark.IsUsable(mask)
            ? mask
            : throw _shortcutMark.Wrong($"expected a mask of at least {AcceptMark.FewestBits} bits in one run, like 0xffff0000");
    }

    private LaneOptions Lanes() => new(Path.Combine(NotEmpty(_bpfDir), _instance.Value), TunnelIn())
    {
        Shortcut = Shortcut(),
        ShortcutMark = ShortcutMark(),
        LiberalFile = Path.Combine(AgentOptions.Folder(NotEmpty(_runDir), _instance.Value), "tcp_be_liberal.before"),
        IsAskedFor = Datapath() == DatapathChoice.Bpf,
        Attachment = _bpfAttach.Value switch
        {
            "auto" => LaneAttachment.Auto,
            "tcx" => LaneAttachment.Tcx,
            "clsact" => LaneAttachment.Clsact,
            _ => throw _bpfAttach.Wrong("expected auto, tcx or clsact"),
        },
        Xdp = _xdp.Value switch
        {
            "off" => XdpChoice.Off,
            "auto" => XdpChoice.Auto,
            "on" => XdpChoice.On,
            _ => throw _xdp.Wrong("expected off, auto or on"),
        },
        Objects = new LaneObjectOptions(Compile(), OrNull(_bpfObjectDir), Path.Combine(NotEmpty(_stateDir), "bpf")),
    };

    private LaneCompile Compile() => _bpfCompile.Value switch
    {
        "auto" => LaneCompile.Auto,
        "always" => LaneCompile.Always,
        "never" => LaneCompile.Never,
        _ => throw _bpfCompile.Wrong("expected auto, always or never"),
    };

    private IPAddress? PublicIP() => Address(_publicIP) is not { } address || DesiredStateBuilder.IsUnicast(address)
        ? Address(_publicIP)
        : throw _publicIP.Wrong("no other host reaches it: expected the address at which the others reach this one");

    private static IPAddress? Address(GoFlag flag)
    {
        if (flag.Value.Length == 0)
            return null;
        return IPMath.TryParse(flag.Value, AddressFamily.InterNetwork, out var address)
            ? address
            : throw flag.Wrong("expected an IPv4 address");
    }

    /// <summary>A duration in Go's notation with one unit: <c>90s</c>, <c>15m</c>, <c>24h</c>.</summary>
    private static TimeSpan Duration(GoFlag flag, TimeSpan least, TimeSpan most)
    {
        var text = flag.Value;
        var unit = text.Length > 1 ? text[^1] : '?';
        // The bound keeps a number that no TimeSpan holds (and NaN, which double.TryParse takes) away from it.
        TimeSpan? value = double.TryParse(text.AsSpan(0, Math.Max(0, text.Length - 1)), NumberStyles.AllowDecimalPoint, null, out var count)
            && count <= most.TotalSeconds
            ? unit switch
            {
                's' => TimeSpan.FromSeconds(count),
                'm' => TimeSpan.FromMinutes(count),
                'h' => TimeSpan.FromHours(count),
                _ => null,
            }
            : null;
        return value >= least && value <= most ? value.Value : throw flag.Wrong($"expected a duration like 90s, 15m or 24h, from {Words(least)} to {Words(most)}");
    }

    private static string Words(TimeSpan span) => span.TotalHours >= 1 ? $"{span.TotalHours:0}h" : $"{span.TotalSeconds:0}s";

    private static string? OrNull(GoFlag flag) => flag.Value.Length == 0 ? null : flag.Value;

    private static string NotEmpty(GoFlag flag) => flag.Value.Length > 0 ? flag.Value : throw flag.Wrong("expected a path");

    private GoFlag Text(string name, string absent, string placeholder, string description) => Flag(name, GoFlagKind.Text, absent, placeholder, description);

    private GoFlag Number(string name, string absent, string placeholder, string description) => Flag(name, GoFlagKind.Number, absent, placeholder, description);

    private GoFlag Boolean(string name, string absent, string description) => Flag(name, GoFlagKind.Boolean, absent, "true", description);

    private GoFlag Flag(string name, GoFlagKind kind, string absent, string placeholder, string description) =>
        _set.Add(new GoFlag(name, kind, absent, placeholder, description));

    private void Accepted(GoFlag flag, string notice) => _accepted.Add((flag, notice));

    private void Refused(GoFlag flag, string reason) => _refused.Add((flag, reason));

    [GeneratedRegex(@"^[A-Za-z0-9:_.\\@-]+\.(service|socket|target|mount|path|timer|slice|scope)\z", RegexOptions.CultureInvariant)]
    private static partial Regex UnitName();

    [GeneratedRegex(@"\A[a-z0-9][a-z0-9_-]{0,31}\z", RegexOptions.CultureInvariant)]
    private static partial Regex InstanceName();
}
