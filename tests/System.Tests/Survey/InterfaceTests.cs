using Accelerated.Agent.Datapath.Lanes.Survey;
using Accelerated.Interop.Libbpf;

namespace Accelerated.System.Tests.Survey;

/// <summary>What is attached to single interfaces, and whom it concerns.</summary>
public sealed class InterfaceTests : IDisposable
{
    private readonly SurveyHost _host = new();
    private readonly List<IDisposable> _attached = [];

    public void Dispose()
    {
        _attached.ForEach(a => a.Dispose());
        _host.Dispose();
    }

    [Fact]
    public void Host_WithoutAnythingAttached_IsOpen()
    {
        _host.Tc("qdisc add dev veth1 clsact");
        _host.Tc("qdisc add dev eth0 clsact");

        AssertOpen(_host.Look());
        Assert.False(_host.Look().ConntrackInUse);
    }

    [Theory]
    [InlineData("veth1")]
    [InlineData("docker0")]
    public void Queue_OnAContainersInterfaceOrItsBridge_ClosesTheShortcutForThatContainer(string device)
    {
        _host.Tc($"qdisc add dev {device} root tbf rate 1mbit burst 32kbit latency 400ms");

        AssertClosedForTheContainer($"{device} has a queue (tbf)");

        _host.Tc($"qdisc del dev {device} root");
        AssertOpen(_host.Look());
    }

    [Theory]
    [InlineData("ingress")]
    [InlineData("egress")]
    public void Filter_OnAContainersInterface_ClosesTheShortcutForThatContainer(string hook)
    {
        _host.Tc("qdisc add dev veth1 clsact");
        _host.AttachFilter("veth1", hook);

        AssertClosedForTheContainer($"veth1 has tc filters on {hook} (bpf");
    }

    [Fact]
    public void Filter_UnderAnIngressQdisc_ClosesTheShortcutForThatContainer()
    {
        _host.Tc("qdisc add dev veth1 ingress");
        AssertOpen(_host.Look());

        _host.AttachFilter("veth1", "ingress");
        AssertClosedForTheContainer("veth1 has tc filters on ingress (bpf");
    }

    [Theory]
    [InlineData(TcxHook.Ingress)]
    [InlineData(TcxHook.Egress)]
    public void Program_OnAContainersInterface_ClosesTheShortcutUnlessItIsOurs(TcxHook hook)
    {
        var id = Attach(_host.Container, hook);

        AssertClosedForTheContainer($"the BPF program underlay_in (id {id}) on tcx {hook.ToString().ToLowerInvariant()}");

        _host.OwnPrograms.Add(id);
        AssertOpen(_host.Look());
    }

    [Fact]
    public void Xdp_OnAContainersInterface_ClosesTheShortcutForThatContainer()
    {
        _host.AttachXdp("veth1");

        AssertClosedForTheContainer("veth1 has an XDP program");
    }

    [Theory]
    [InlineData("netdev", "ingress", "veth1")]
    [InlineData("netdev", "egress", "veth1")]
    [InlineData("netdev", "ingress", "docker0")]
    [InlineData("inet", "ingress", "veth1")]
    public void Chain_OnAContainersInterface_ClosesTheShortcutForThatContainer(string family, string hook, string device)
    {
        var head = $"table {family} n {{\n chain c {{\n type filter hook {hook} device {device} priority 0; policy accept;\n";
        _host.Nft(head + "}\n}");
        AssertOpen(_host.Look());

        _host.Nft(head + "udp dport 53 drop\n}\n}");
        AssertClosedForTheContainer($"chain c of the table {family} n has rules for {hook} of {device}");
    }

    [Theory]
    // netfilter's egress hook lets by what tc has redirected; its ingress hook comes after tc.
    [InlineData("eth0", "egress", "drop", 1, 0, 0)]
    [InlineData("eth0", "ingress", "drop", 0, 1, 0)]
    [InlineData("flannel.1", "egress", "drop", 0, 0, 1)]
    [InlineData("flannel.1", "ingress", "drop", 0, 0, 1)]
    [InlineData("eth0", "egress", "accept", 0, 0, 0)]
    [InlineData("eth0-far", "egress", "drop", 0, 0, 0)]
    public void Chain_OnAnInterfaceOfTheTunnel_TurnsOffWhatItWouldNotSee(string device, string hook, string policy, int lanes, int tunnelIn, int shortcut)
    {
        _host.Nft($"table netdev n {{\n chain c {{\n type filter hook {hook} device \"{device}\" priority 0; policy {policy};\n }}\n}}");

        var survey = _host.Look();

        Assert.Equal((lanes, tunnelIn, shortcut), (survey.LanesOff.Count, survey.TunnelInOff.Count, survey.ShortcutOff.Count));
    }

    [Fact]
    public void Queue_OnTheOverlaysDevice_TurnsTheLanesOff()
    {
        _host.Tc("qdisc add dev eth0 root tbf rate 1mbit burst 32kbit latency 400ms"); // The lanes' packets queue there as all do.
        AssertOpen(_host.Look());

        _host.Tc("qdisc add dev flannel.1 root tbf rate 1mbit burst 32kbit latency 400ms");
        Assert.Contains("flannel.1 has a queue (tbf)", Assert.Single(_host.Look().LanesOff), StringComparison.Ordinal);
    }

    [Fact]
    public void Programs_OnTheOverlaysDevice_CountByWhetherTheyAreBehindOurs()
    {
        var before = Attach(_host.Overlay, TcxHook.Egress);
        var survey = _host.Look();
        Assert.Empty(survey.LanesOff);
        Assert.Contains($"id {before}", Assert.Single(survey.ShortcutOff), StringComparison.Ordinal);

        _host.OwnPrograms.Add(Attach(_host.Overlay, TcxHook.Egress));
        Assert.Empty(_host.Look().LanesOff);

        var behind = Attach(_host.Overlay, TcxHook.Egress);
        Assert.Contains($"(id {behind}) on tcx egress behind ours", Assert.Single(_host.Look().LanesOff), StringComparison.Ordinal);
    }

    [Fact]
    public void Programs_OnTheUnderlay_CountByWhetherTheyAreBehindOurs()
    {
        Attach(_host.Underlay, TcxHook.Ingress);
        Attach(_host.Underlay, TcxHook.Egress);
        _host.OwnPrograms.Add(Attach(_host.Underlay, TcxHook.Ingress));
        AssertOpen(_host.Look());

        Attach(_host.Underlay, TcxHook.Egress);
        AssertOpen(_host.Look());

        var behind = Attach(_host.Underlay, TcxHook.Ingress);
        Assert.Contains($"(id {behind}) on tcx ingress behind ours", Assert.Single(_host.Look().TunnelInOff), StringComparison.Ordinal);
    }

    [Fact]
    public void Programs_OfAnotherInstance_AreNoStrangers()
    {
        _host.OwnPrograms.Add(Attach(_host.Underlay, TcxHook.Ingress));
        var before = _host.Look().Fingerprint;
        _host.Siblings.Add(Attach(_host.Underlay, TcxHook.Ingress));

        var survey = _host.Look();

        AssertOpen(survey);
        Assert.Equal(before, survey.Fingerprint);
    }

    [Theory]
    [InlineData("eth0", "ingress", 0, 1, 0)]
    [InlineData("eth0", "egress", 0, 0, 0)]
    [InlineData("flannel.1", "egress", 1, 0, 0)]
    [InlineData("flannel.1", "ingress", 0, 0, 1)]
    public void Filters_OnAnInterfaceOfTheTunnel_ComeBehindOurPrograms(string device, string hook, int lanes, int tunnelIn, int shortcut)
    {
        _host.Tc($"qdisc add dev {device} clsact");
        _host.AttachFilter(device, hook);

        var survey = _host.Look();

        Assert.Equal((lanes, tunnelIn, shortcut), (survey.LanesOff.Count, survey.TunnelInOff.Count, survey.ShortcutOff.Count));
    }

    private static void AssertOpen(LaneSurvey survey)
    {
        Assert.Empty(survey.LanesOff);
        Assert.Empty(survey.TunnelInOff);
        Assert.Empty(survey.ShortcutOff);
        Assert.Empty(survey.ShortcutOffByInterface);
    }

    private void AssertClosedForTheContainer(string reason)
    {
        var survey = _host.Look();
        Assert.Empty(survey.LanesOff);
        Assert.Empty(survey.TunnelInOff);
        Assert.Empty(survey.ShortcutOff);
        var (index, words) = Assert.Single(survey.ShortcutOffByInterface);
        Assert.Equal(_host.Container, index);
        Assert.Contains(reason, words, StringComparison.Ordinal);
    }

    // Any program will do: each loading is one of its own. It is of the agent, whose object is at hand.
    private uint Attach(int index, TcxHook hook)
    {
        using var stream = typeof(HostSurvey).Assembly.GetManifestResourceStream("overlay.bpf.o")!;
        var image = new byte[stream.Length];
        stream.ReadExactly(image);
        var loaded = BpfObject.Open(image, "survey");
        _attached.Add(loaded);
        loaded.Load();
        var program = loaded.Program("underlay_in");
        _attached.Add(program);
        _attached.Add(_host.Namespace.Invoke(() => BpfLink.AttachTcx(program, index, hook)));
        return program.Id;
    }
}
