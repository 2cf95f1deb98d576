using Accelerated.Interop;
using Accelerated.Interop.Libbpf;
using Accelerated.Interop.Netlink;

namespace Accelerated.Bpf.Tests.Libbpf;

public sealed class ClsactTests : IDisposable
{
    private const int ENODEV = 19;
    private const int EEXIST = 17;
    private const uint IngressParent = 0xfffffff2;

    private static readonly TcFilterSlot Slot = new(1, 9000);

    private readonly UnderlayNamespace _underlay;
    private readonly SmallObject _small = new();
    private readonly int _index;

    public ClsactTests(UnderlayNamespace underlay)
    {
        _underlay = underlay;
        underlay.Ip("link add tc0 type veth peer name tc1");
        _index = underlay.IndexOf("tc0");
    }

    public void Dispose()
    {
        _underlay.Ip("link delete tc0");
        _small.Dispose();
    }

    [Fact]
    public void Attach_ToABareInterface_MakesTheQdisc() => _underlay.Invoke(() =>
    {
        Assert.Null(Clsact.FindProgram(_index, TcxHook.Ingress, Slot));
        Assert.False(Clsact.Detach(_index, TcxHook.Ingress, Slot));

        Assert.True(Clsact.Attach(_small.First, _index, TcxHook.Ingress, Slot));
        Assert.False(Clsact.Attach(_small.Second, _index, TcxHook.Egress, Slot));
        Assert.Equal(_small.First.Id, Clsact.FindProgram(_index, TcxHook.Ingress, Slot));
        Assert.Equal(_small.Second.Id, Clsact.FindProgram(_index, TcxHook.Egress, Slot));

        Assert.True(Clsact.Detach(_index, TcxHook.Ingress, Slot));
        Assert.False(Clsact.Detach(_index, TcxHook.Ingress, Slot));
        Assert.True(Clsact.Detach(_index, TcxHook.Egress, Slot));
        // The qdisc is there still, and empty.
        Assert.Null(Clsact.FindProgram(_index, TcxHook.Egress, Slot));
        Assert.False(Clsact.HasOthers(_index, TcxHook.Egress, Slot));
    });

    [Fact]
    public void Attach_ToATakenSlot_ReplacesAndShowsAsOneDirectActionFilter()
    {
        _underlay.Invoke(() =>
        {
            Clsact.Attach(_small.First, _index, TcxHook.Ingress, Slot);
            Clsact.Attach(_small.Second, _index, TcxHook.Ingress, Slot);
            Assert.Equal(_small.Second.Id, Clsact.FindProgram(_index, TcxHook.Ingress, Slot));
            Assert.False(Clsact.HasOthers(_index, TcxHook.Ingress, Slot));
            using var route = RouteSocket.Open();
            Assert.Equal([new(_index, "bpf", Slot.Handle, Slot.Priority)], route.GetFilters(_index, IngressParent));
        });
        var shown = _underlay.Tc("filter show dev tc0 ingress");
        Assert.Contains("second", shown, StringComparison.Ordinal);
        Assert.Contains("direct-action", shown, StringComparison.Ordinal);
        Assert.DoesNotContain("first", shown, StringComparison.Ordinal);
    }

    [Fact]
    public void FiltersOfOthers_BesideOurs_Stay()
    {
        _underlay.Tc("qdisc add dev tc0 clsact");
        _underlay.Tc("filter add dev tc0 egress pref 5 protocol all u32 match u32 0 0 flowid 1:1");
        _underlay.Invoke(() =>
        {
            Assert.False(Clsact.Attach(_small.First, _index, TcxHook.Egress, Slot));
            Assert.True(Clsact.HasOthers(_index, TcxHook.Egress, Slot));
            Assert.False(Clsact.HasOthers(_index, TcxHook.Ingress, Slot));
            Assert.True(Clsact.Detach(_index, TcxHook.Egress, Slot));
        });
        Assert.Contains("u32", _underlay.Tc("filter show dev tc0 egress"), StringComparison.Ordinal);
    }

    [Fact]
    public void PriorityOfAnotherKind_IsNotTaken()
    {
        _underlay.Tc("qdisc add dev tc0 clsact");
        _underlay.Tc($"filter add dev tc0 ingress pref {Slot.Priority} protocol all u32 match u32 0 0 flowid 1:1");
        var e = Assert.Throws<NativeException>(() => _underlay.Invoke(() => Clsact.Attach(_small.First, _index, TcxHook.Ingress, Slot)));
        Assert.NotEqual(0, e.Errno);
        Assert.Contains("u32", _underlay.Tc("filter show dev tc0 ingress"), StringComparison.Ordinal);
    }

    [Fact]
    public void IngressQdisc_InItsPlace_TakesNoEgressFilter()
    {
        _underlay.Tc("qdisc add dev tc0 ingress");
        _underlay.Invoke(() =>
        {
            Assert.Equal(
                EEXIST, Assert.Throws<NativeException>(() => Clsact.Attach(_small.First, _index, TcxHook.Egress, Slot)).Errno);
            Assert.False(Clsact.Attach(_small.First, _index, TcxHook.Ingress, Slot));
            Assert.False(Clsact.HasOthers(_index, TcxHook.Ingress, Slot));
            Assert.True(Clsact.HasOthers(_index, TcxHook.Ingress, Slot with { Handle = 2 }));
            Assert.False(Clsact.HasOthers(_index, TcxHook.Egress, Slot with { Handle = 2 }));
            Assert.True(Clsact.Detach(_index, TcxHook.Ingress, Slot));
        });
        Assert.Contains("ingress", _underlay.Tc("qdisc show dev tc0"), StringComparison.Ordinal);
    }

    [Fact]
    public void Interface_ThatDoesNotExist_IsAnErrorOnlyToAttach() => _underlay.Invoke(() =>
    {
        Assert.Equal(ENODEV, Assert.Throws<NativeException>(() => Clsact.Attach(_small.First, 999_999, TcxHook.Ingress, Slot)).Errno);
        Assert.Null(Clsact.FindProgram(999_999, TcxHook.Ingress, Slot));
        Assert.False(Clsact.Detach(999_999, TcxHook.Ingress, Slot));
    });

    [Fact]
    public void Qdiscs_OfAnInterface_AreThoseOfTc()
    {
        _underlay.Tc("qdisc add dev tc0 root handle 7: htb");
        _underlay.Tc("qdisc add dev tc0 clsact");
        var found = _underlay.Invoke(() =>
        {
            using var route = RouteSocket.Open();
            return route.GetQdiscs(_index).Select(q => (q.Kind, q.Handle, q.Parent)).Order().ToArray();
        });
        Assert.Equal([("clsact", 0xffff0000, 0xfffffff1), ("htb", 0x70000u, 0xffffffffu)], found);
    }
}
