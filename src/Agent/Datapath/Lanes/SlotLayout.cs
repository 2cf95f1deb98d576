using System.Net;
using Accelerated.Agent.State;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>How an overlay network is cut into slots: where a subnet's is follows from its address.</summary>
/// <param name="Begin">The address that the first slot begins with, as a number.</param>
/// <param name="Count">How many slots there are.</param>
/// <param name="Shift">A slot is of 2^this addresses.</param>
internal readonly record struct SlotLayout(uint Begin, uint Count, byte Shift)
{
    /// <summary>Slots of the size of this node's subnet, from the beginning of its network on.</summary>
    /// <param name="device">An IPv4 overlay's.</param>
    /// <param name="most">As many at most.</param>
    public static SlotLayout Of(OverlayDevice device, int most)
    {
        var (network, length) = (device.Network, device.Subnet.PrefixLength);
        return new((uint)IPMath.ToNumber(network.BaseAddress), (uint)Math.Min(1L << (length - network.PrefixLength), most), (byte)(32 - length));
    }

    /// <summary>What the programs go by now.</summary>
    public static SlotLayout Of(in ConfigValue config) => new(config.SlotsBegin, config.Slots, config.SlotShift);

    /// <summary>The slot of a subnet; null of one of another size, or behind the last slot.</summary>
    public uint? SlotOf(IPNetwork subnet)
    {
        var slot = ((uint)IPMath.ToNumber(subnet.BaseAddress) - Begin) >> Shift;
        return subnet.PrefixLength == 32 - Shift && slot < Count ? slot : null;
    }
}
