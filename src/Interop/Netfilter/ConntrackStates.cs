namespace Accelerated.Interop.Netfilter;

/// <summary>Bits of <see cref="PacketField.ConntrackState"/>, nftables' numbers.</summary>
public static class ConntrackStates
{
    /// <summary>Fits no connection.</summary>
    public const int Invalid = 1;

    /// <summary>Belongs to a connection that has seen both directions.</summary>
    public const int Established = 2;

    /// <summary>Begins a connection that another one announced.</summary>
    public const int Related = 4;

    /// <summary>Begins a connection.</summary>
    public const int New = 8;

    /// <summary>Excepted from tracking.</summary>
    public const int Untracked = 64;
}
