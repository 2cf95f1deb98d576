namespace Accelerated.Interop.Libbpf;

/// <summary>A tc hook of an interface. The numbers are the attach types of Linux 6.6, newer than libbpf 1.1's header.</summary>
public enum TcxHook
{
    /// <summary>Packets that come in (BPF_TCX_INGRESS).</summary>
    Ingress = 46,

    /// <summary>Packets that go out (BPF_TCX_EGRESS).</summary>
    Egress = 47,
}
