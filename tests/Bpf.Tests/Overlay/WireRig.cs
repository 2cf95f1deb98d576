using Accelerated.Interop.Libbpf;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Bpf.Tests.Overlay;

/// <summary>Lane 3's program as node 1 has it.</summary>
internal sealed class WireRig : OverlayRig
{
    /// <summary>XDP_DROP.</summary>
    public const int Drop = 1;

    /// <summary>XDP_PASS.</summary>
    public const int Pass = 2;

    public WireRig(UnderlayNamespace underlay)
        : base(underlay, Nodes.One, BpfCompiler.Wire, "wire", "wire_in", "wire_in")
    {
        Cookie = OverlayCookie.Draw();
        Configure(c => c with { EarlyIn = OverlayEarlyIn.Decapsulate, UnderlayMac = OverlayMac.From(Nodes.One.UnderlayMac), Cookie = Cookie });
    }

    /// <summary>The config's cookie.</summary>
    public OverlayCookie Cookie { get; }

    /// <summary>What stands before the frame that comes out: struct arrival.</summary>
    public byte[] Word(bool nodeOfSource = true) =>
        [.. BitConverter.GetBytes(Cookie[0]), .. BitConverter.GetBytes(Cookie[1]), (byte)(nodeOfSource ? 1 : 0), 0, 0, 0];

    /// <summary>Runs native XDP of the underlay's interface.</summary>
    public BpfTestRun Arrive(byte[] frame) => Ingress.RunXdp(frame);

    /// <summary>The frame went on as it came, without a word before it.</summary>
    public void ExpectUntouched(byte[] frame)
    {
        var run = Arrive(frame);
        Assert.Equal(Pass, run.ReturnValue);
        Assert.Equal(frame, run.Packet);
    }
}
