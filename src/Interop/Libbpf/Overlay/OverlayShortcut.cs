namespace Accelerated.Interop.Libbpf.Overlay;

/// <summary>When lane 2 may carry a packet (enum shortcut_mode of bpf/types.h).</summary>
public enum OverlayShortcut : byte
{
    /// <summary>SHORTCUT_OFF.</summary>
    Off = 0,

    /// <summary>SHORTCUT_ESTABLISHED: with the proof that netfilter has accepted the flow.</summary>
    Established = 1,

    /// <summary>SHORTCUT_ALWAYS: the operator declares that no rule needs to see it.</summary>
    Always = 2,
}
