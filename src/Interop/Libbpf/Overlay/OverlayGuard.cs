namespace Accelerated.Interop.Libbpf.Overlay;

/// <summary>How strictly packets that come in are judged (enum guard_mode of bpf/types.h).</summary>
public enum OverlayGuard : byte
{
    /// <summary>GUARD_OFF.</summary>
    Off = 0,

    /// <summary>GUARD_OBSERVE: count what would be refused, pass it on.</summary>
    Observe = 1,

    /// <summary>GUARD_VTEP: refuse unknown senders and forged inner sources.</summary>
    Vtep = 2,

    /// <summary>GUARD_STRICT: also refuse fragments of outer packets.</summary>
    Strict = 3,
}
