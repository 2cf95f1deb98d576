using System.Collections.Immutable;
using System.Diagnostics;
using System.Net;
using Accelerated.Agent.Datapath;
using Accelerated.Agent.State;
using Accelerated.Interop.Libbpf.Overlay;
using Accelerated.Interop.Netlink;
using Accelerated.System.Tests.Netlink;

namespace Accelerated.System.Tests.Agent;

/// <summary>The nftables table of an agent by itself, in a namespace of its own, with nft(8) as the witness.</summary>
public sealed class FirewallTests : IDisposable
{
    private const int Peers = 10_000;

    private static readonly FirewallSpec Spec = new(
        IPNetwork.Parse("10.0.0.0/8"), IPNetwork.Parse("10.5.1.0/24"), true, true, true,
        new GuardSpec(OverlayGuard.Vtep, "flannel.1", 1, 8472, 1, [], [IPNetwork.Parse("203.0.113.0/24"), IPNetwork.Parse("198.51.100.7/32")]));

    private readonly ITestOutputHelper _output;
    private readonly TestNamespace _namespace = new();
    private readonly HostRules _rules = new("test");
    private readonly NftablesFirewall _firewall;

    public FirewallTests(ITestOutputHelper output)
    {
        _output = output;
        _firewall = new("test", _rules, TimeProvider.System);
    }

    public void Dispose()
    {
        _firewall.Dispose();
        _rules.Dispose();
        _namespace.Dispose();
    }

    [Fact]
    public void Apply_WithAnotherOfTenThousandPeers_WritesThatOneAlone()
    {
        var vteps = Enumerable.Range(0, Peers).Select(i => new IPAddress([172, 16, (byte)(i >> 8), (byte)i])).ToImmutableArray();
        var all = Spec with { Guard = Spec.Guard with { Vteps = vteps } };
        Assert.True(Measure("ten thousand peers written", () => Apply(all)));
        Assert.False(Measure("nothing to do", () => Apply(all with { })));
        var handles = Handles();
        var another = IPAddress.Parse("192.0.2.2");
        var changed = all with { Guard = all.Guard with { Vteps = vteps.Remove(vteps[7]).Add(another) } };
        Assert.True(Measure("one peer more, one less", () => Apply(changed)));

        Assert.Equal(handles, Handles());
        Assert.Equal(changed.Guard.Vteps.Select(v => v.ToString()).Order(), Elements("vteps"));
        Assert.Equal(["198.51.100.7", "203.0.113.0/24"], Elements("guard_allow"));
        Assert.False(Apply(changed with { }));
    }

    [Fact]
    public void Apply_WhenSomeoneTookAnElement_WritesTheTableAgainAndKeepsItsCounts()
    {
        var spec = Spec with { Guard = Spec.Guard with { Vteps = [IPAddress.Parse("192.0.2.2"), IPAddress.Parse("192.0.2.3")] } };
        Assert.Null(_firewall.Refused());
        _namespace.Invoke(() => Apply(spec));
        Assert.Empty(_firewall.Refused()!);
        // The underlay of this test is loopback, and 127.0.0.1 is no VTEP.
        _namespace.Run("bash", "-c", "printf '\\x08\\0\\0\\0\\0\\0\\x01\\0' >/dev/udp/127.0.0.1/8472");
        Assert.Equal(1UL, _firewall.Refused()!["unknown_vtep"]);
        _namespace.Run("nft", "delete element inet accelerated-test vteps { 192.0.2.3 }");

        Assert.True(_namespace.Invoke(() => Apply(spec)));

        Assert.Equal(["192.0.2.2", "192.0.2.3"], Elements("vteps"));
        Assert.Equal(1UL, _firewall.Refused()!["unknown_vtep"]);
        Assert.False(_namespace.Invoke(() => Apply(spec)));
        Assert.True(_namespace.Invoke(() => Apply(spec with { Guard = spec.Guard with { Mode = OverlayGuard.Off } })));
        Assert.Null(_firewall.Refused());
    }

    [Fact]
    public void Apply_ForIPv6_IsUnderstood()
    {
        var spec = new FirewallSpec(
            IPNetwork.Parse("fd00:42::/48"), IPNetwork.Parse("fd00:42:0:1::/64"), true, true, true,
            new GuardSpec(OverlayGuard.Strict, "flannel-v6.1", 1, 8472, 1, [IPAddress.Parse("2001:db8::2")], [IPNetwork.Parse("2001:db8:1::/48")]));

        Assert.True(_namespace.Invoke(() => Apply(spec)));
        Assert.Equal(["2001:db8::2"], Elements("vteps"));
    }

    [Fact]
    public void Apply_WithAnotherMark_ReplacesItsChainsAndNothingElse()
    {
        var spec = Spec with { Guard = Spec.Guard with { Vteps = [IPAddress.Parse("192.0.2.2")] } };
        var mark = new AcceptMark(0xffff0000, 1, "flannel.1", ["cni0"]);
        Assert.Equal(FirewallChange.Written, _namespace.Invoke(() => _firewall.Apply(spec, mark)));
        var first = Rules();
        Assert.Contains("ct mark & 0xfffd0000 == 0x00050000", first, StringComparison.Ordinal);
        Assert.Equal(FirewallChange.None, _namespace.Invoke(() => _firewall.Apply(spec, mark with { })));

        Assert.Equal(FirewallChange.Written, _namespace.Invoke(() => _firewall.Apply(spec, mark with { Generation = 2 })));
        Assert.Equal(first.Replace("0x00050000", "0x00090000", StringComparison.Ordinal).Split('\n').Length, Rules().Split('\n').Length);
        Assert.DoesNotContain("0x00050000", Rules(), StringComparison.Ordinal);
        Assert.Equal(["192.0.2.2"], Elements("vteps"));

        _namespace.Run("nft", "flush", "chain", "inet", "accelerated-test", "accepted");
        Assert.Equal(FirewallChange.Repaired, _namespace.Invoke(() => _firewall.Apply(spec, mark with { Generation = 2 })));
        Assert.Equal(FirewallChange.Written, _namespace.Invoke(() => _firewall.Apply(spec, null)));
        Assert.DoesNotContain("accept", Rules().Replace("policy accept", "", StringComparison.Ordinal).Replace(" accept\n", "\n", StringComparison.Ordinal), StringComparison.Ordinal);

        string Rules() => _namespace.Run("nft", "-s", "list", "table", "inet", "accelerated-test");
    }

    [Theory]
    [InlineData("add table ip foreign; add chain ip foreign c; add rule ip foreign c accept", FirewallChange.None)]
    [InlineData("insert rule inet accelerated-test forward drop", FirewallChange.Repaired)]
    public void Apply_OthersCameAfterwards_RepairsWhatIsOurs(string command, FirewallChange change)
    {
        Assert.Equal(FirewallChange.Written, _namespace.Invoke(() => _firewall.Apply(Spec, null)));
        foreach (var settled in (string[])["before", "afterwards", "never"])
        {
            Settle(settled == "before");
            _namespace.Run("nft", command);
            Settle(settled == "afterwards");

            Assert.Equal(change, _namespace.Invoke(() => _firewall.Apply(Spec, null)));
            Assert.DoesNotContain("\t\tdrop\n", _namespace.Run("nft", "list", "table", "inet", "accelerated-test"), StringComparison.Ordinal);
            Assert.Equal(FirewallChange.None, _namespace.Invoke(() => _firewall.Apply(Spec, null)));
            _namespace.Invoke(() => Apply(Spec with { Masquerade = false }));
            Assert.Equal(FirewallChange.Written, _namespace.Invoke(() => _firewall.Apply(Spec, null)));
        }

        void Settle(bool now)
        {
            if (now)
                _namespace.Invoke(() => { _firewall.Settle(); return true; });
        }
    }

    // Who does not know what the own transaction has left has to write all of it again when others change something.
    [Fact]
    public void Beat_AMomentAfterATransaction_LetsOthersChangesBeToldFromIt()
    {
        Assert.Null(_namespace.Invoke(_firewall.Beat));
        Assert.True(_namespace.Invoke(() => Apply(Spec)));
        Assert.InRange(_namespace.Invoke(_firewall.Beat)!.Value, TimeSpan.FromTicks(1), TimeSpan.FromMilliseconds(50));
        for (var tries = 0; tries < 50 && _namespace.Invoke(_firewall.Beat) is { } due; tries++)
            Thread.Sleep(due);
        var handles = Handles();

        _namespace.Run("nft", "add table ip foreign; add chain ip foreign c; add rule ip foreign c accept");

        Assert.Equal(FirewallChange.None, _namespace.Invoke(() => _firewall.Apply(Spec, null)));
        Assert.Equal(handles, Handles());
    }

    [Fact]
    public void Apply_NobodyElseChangesRules_LeavesWhatWasReadStanding()
    {
        _namespace.Run("nft", "add table ip foreign; add chain ip foreign c");
        var read = _namespace.Invoke(_rules.ReadNftables);

        Assert.True(_namespace.Invoke(() => Apply(Spec)));
        Assert.Same(read, _namespace.Invoke(_rules.ReadNftables));

        _namespace.Run("nft", "add rule ip foreign c drop");
        Assert.True(_namespace.Invoke(() => Apply(Spec with { Masquerade = false })));
        Assert.NotSame(read, _namespace.Invoke(_rules.ReadNftables));
    }

    [Fact]
    public void ChangeElements_IsOneTransactionForOneRuleSet()
    {
        IPAddress one = IPAddress.Parse("192.0.2.1"), two = IPAddress.Parse("192.0.2.2"), three = IPAddress.Parse("192.0.2.3");
        Assert.True(_namespace.Invoke(() => Apply(Spec with { Guard = Spec.Guard with { Vteps = [one] } })));
        var generation = _namespace.Invoke(_rules.Generation)!.Value;

        Change(generation, [two], [one]);
        Assert.Equal(["192.0.2.2"], Elements("vteps"));
        Assert.Equal(generation + 1, _namespace.Invoke(_rules.Generation));

        Assert.Contains("ERESTART", Assert.Throws<NetlinkException>(() => Change(generation, [three], [])).Message, StringComparison.Ordinal);
        Assert.Contains("ENOENT", Assert.Throws<NetlinkException>(() => Change(generation + 1, [three], [one])).Message, StringComparison.Ordinal);
        Assert.Equal(["192.0.2.2"], Elements("vteps"));

        // The answers to what was refused do not confuse the next.
        Change(generation + 1, [.. Enumerable.Range(0, Peers).Select(i => new IPAddress([172, 16, (byte)(i >> 8), (byte)i]))], []);
        Assert.Equal(Peers + 1, Elements("vteps").Count());

        void Change(uint of, IPAddress[] add, IPAddress[] remove) => _namespace.Invoke(() =>
        {
            _rules.ChangeElements(of, "vteps", [.. add.Select(a => a.GetAddressBytes())], [.. remove.Select(a => a.GetAddressBytes())]);
            return true;
        });
    }

    private bool Apply(FirewallSpec spec) => _firewall.Apply(spec, null) != FirewallChange.None;

    private bool Measure(string what, Func<bool> action)
    {
        var (result, took) = _namespace.Invoke(() =>
        {
            var watch = Stopwatch.StartNew();
            return (action(), watch.Elapsed);
        });
        _output.WriteLine($"measured: {what} in {took.TotalMilliseconds:0} ms");
        return result;
    }

    private string Handles() => _namespace.Run("nft", "-a", "-t", "list", "table", "inet", "accelerated-test");

    private IEnumerable<string> Elements(string set) =>
        _namespace.Run("nft", "list", "set", "inet", "accelerated-test", set).Split("elements = {")[1].Split('}')[0]
            .Split(',', StringSplitOptions.TrimEntries).Order();
}
