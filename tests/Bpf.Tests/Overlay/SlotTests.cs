using System.Net;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Bpf.Tests.Overlay;

/// <summary>Where the programs look for the subnet around an address: in its slot, else in the map of subnets.</summary>
public sealed class SlotTests(UnderlayNamespace underlay) : IDisposable
{
    // 10.5.0.0/16 in pieces of /24.
    private const uint Begin = 0x0a050000;
    private const uint Count = 256;
    private const byte Shift = 8;
    private const uint SlotOfTwo = 88;

    private readonly OverlayRig _rig = new(underlay);

    // Where slots begin, how many there are, of how many addresses; the slot that says where the destination is, and whether it is believed.
    public static TheoryData<uint, uint, byte, uint, bool> Slots => new()
    {
        { Begin, Count, Shift, SlotOfTwo, true },
        { Begin, SlotOfTwo + 1, Shift, SlotOfTwo, true },
        { Begin, SlotOfTwo, Shift, SlotOfTwo, false }, // Behind the last.
        { Begin, Count, Shift, SlotOfTwo - 1, false }, // Another's.
        { Begin, Count, Shift, SlotOfTwo + 1, false },
        { Begin + (SlotOfTwo << Shift), 1, Shift, 0, true },
        { Begin + (SlotOfTwo << Shift) + 3, 1, Shift, 0, false }, // Behind the destination.
        { Begin + (SlotOfTwo << Shift) + 256, Count, Shift, 0, false },
        { 0x0a000000, 65536, Shift, 0x558, true }, // 10.0.0.0/8
        { 0, 256, 24, 10, true }, // One octet each.
        { Begin + (SlotOfTwo << Shift), 256, 0, 2, true }, // One address each: 10.5.88.2.
        { Begin + (SlotOfTwo << Shift), 256, 0, 3, false },
        { Begin, 0, Shift, SlotOfTwo, false }, // None in use.
    };

    public void Dispose() => _rig.Dispose();

    [Theory]
    [MemberData(nameof(Slots))]
    public void Destination_OfASlot_IsWhereTheSlotSays(uint begin, uint count, byte shift, uint slot, bool isBelieved)
    {
        Assert.Equal((IPNetwork.Parse("10.5.88.0/24"), IPAddress.Parse("10.5.88.2")), (Nodes.Two.Subnet, Nodes.Two.Container));
        _rig.RemoveSubnet(Nodes.Two);
        Use(begin, count, shift);
        _rig.SetSlot(slot, Nodes.Two, OverlayTransport.Vxlan);

        var run = _rig.Out(Nodes.Frame(Nodes.One, Nodes.Two));

        Assert.Equal(isBelieved ? OverlayRig.Redirect : OverlayRig.Unspec, run.ReturnValue);
        _rig.ExpectCounters(isBelieved ? "out taken=1" : "out passed_no_subnet=1");
    }

    [Fact]
    public void Slot_ThatIsEmpty_LeavesItToTheMap()
    {
        Use(Begin, Count, Shift);
        Assert.Equal(OverlayRig.Redirect, _rig.Out(Nodes.Frame(Nodes.One, Nodes.Two)).ReturnValue);

        // The node is elsewhere by its slot, and that is said first.
        _rig.SetSlot(SlotOfTwo, Nodes.Three, OverlayTransport.Direct);
        Assert.Equal(OverlayRig.Unspec, _rig.Out(Nodes.Frame(Nodes.One, Nodes.Two)).ReturnValue);

        _rig.SetSlot(SlotOfTwo, Nodes.Three, OverlayTransport.None);
        Assert.Equal(OverlayRig.Redirect, _rig.Out(Nodes.Frame(Nodes.One, Nodes.Two)).ReturnValue);
        _rig.ExpectCounters("out taken=2", "out passed_other_transport=1");
    }

    [Fact]
    public void Guard_OfAPacket_KnowsItsInnerSourceByTheSlot()
    {
        Use(Begin, Count, Shift);
        var packet = Nodes.Outer(Nodes.Two, Nodes.One).Around(Nodes.Frame(Nodes.Two, Nodes.One));
        _rig.SetSlot(SlotOfTwo, Nodes.Two, OverlayTransport.Vxlan);
        _rig.RemoveSubnet(Nodes.Two);
        Assert.NotEqual(OverlayRig.Shot, _rig.In(packet).ReturnValue);

        _rig.SetSlot(SlotOfTwo, Nodes.Three, OverlayTransport.Vxlan);
        Assert.Equal(OverlayRig.Shot, _rig.In(packet).ReturnValue);
        _rig.ExpectCounters("in taken=1", "in refused_forged_source=1");
    }

    private void Use(uint begin, uint count, byte shift) => _rig.Configure(c => c with { SlotsBegin = begin, Slots = count, SlotShift = shift });
}
