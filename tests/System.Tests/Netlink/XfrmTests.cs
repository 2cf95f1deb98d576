using System.Net;
using Accelerated.Interop.Netlink;

namespace Accelerated.System.Tests.Netlink;

public sealed class XfrmTests : IDisposable
{
    private readonly TestNamespace _ns = new();

    public void Dispose() => _ns.Dispose();

    [Fact]
    public void GetPolicies_MadeByIp_AreWhatIpShows()
    {
        using var socket = _ns.Invoke(XfrmSocket.TryOpen)!;
        Assert.Empty(socket.GetPolicies());
        var index = _ns.AddUnderlay();
        const string Template = "tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 1 mode tunnel";

        _ns.Ip($"xfrm policy add src 192.0.2.1/32 dst 198.51.100.0/24 proto udp sport 4000 dport 8472 dev eth0 dir out priority 77 mark 0x7 mask 0xff if_id 5 {Template}");
        _ns.Ip("xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir in action block priority 5");
        _ns.Ip("xfrm policy add src 2001:db8:1::/48 dst 2001:db8::2/128 proto tcp dir fwd priority 9");

        var policies = socket.GetPolicies().ToDictionary(p => p.Direction);
        Assert.Equal(
            new XfrmPolicy(
                XfrmDirection.Out, false, true, 77, IPNetwork.Parse("192.0.2.1/32"), IPNetwork.Parse("198.51.100.0/24"), 17, 4000, 8472, index, 5,
                (7, 0xff), policies[XfrmDirection.Out].Index),
            policies[XfrmDirection.Out]);
        Assert.Equal(
            new XfrmPolicy(
                XfrmDirection.In, true, false, 5, IPNetwork.Parse("0.0.0.0/0"), IPNetwork.Parse("0.0.0.0/0"), 0, null, null, 0, 0, null,
                policies[XfrmDirection.In].Index),
            policies[XfrmDirection.In]);
        Assert.Equal(
            new XfrmPolicy(
                XfrmDirection.Forward, false, false, 9, IPNetwork.Parse("2001:db8:1::/48"), IPNetwork.Parse("2001:db8::2/128"), 6, null, null, 0, 0, null,
                policies[XfrmDirection.Forward].Index),
            policies[XfrmDirection.Forward]);

        // iproute2 is the witness that these are all, and of the numbers.
        var shown = _ns.Ip("-s xfrm policy");
        Assert.Equal(3, shown.Split('\n').Count(l => l.StartsWith("src ", StringComparison.Ordinal)));
        Assert.All(policies.Values, p => Assert.Contains($"index {p.Index} ", shown, StringComparison.Ordinal));
    }

    [Fact]
    public void GetDefaults_SetByIp_AreRead()
    {
        using var socket = _ns.Invoke(XfrmSocket.TryOpen)!;
        Assert.Equal(default, socket.GetDefaults());

        _ns.Ip("xfrm policy setdefault in block fwd accept out block");

        Assert.Equal(new XfrmDefaults(BlocksIn: true, BlocksForward: false, BlocksOut: true), socket.GetDefaults());
    }

    [Fact]
    public void Monitor_PoliciesAndDefaults_AreTold()
    {
        using var log = new EventLog<bool>();
        using var monitor = _ns.Invoke(() => XfrmMonitor.Start(() => log.Add(true)));

        _ns.Ip("xfrm policy add src 192.0.2.1 dst 192.0.2.2 dir out action block");
        log.Await(_ => true);
        _ns.Ip("xfrm policy delete src 192.0.2.1 dst 192.0.2.2 dir out");
        log.Await(_ => true);
        _ns.Ip("xfrm policy setdefault out block");
        log.Await(_ => true);

        Assert.Null(monitor.Failure);
    }
}
