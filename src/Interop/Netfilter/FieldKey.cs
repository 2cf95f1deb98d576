namespace Accelerated.Interop.Netfilter;

/// <summary>A field, or some bits of it, that a condition looks at.</summary>
/// <param name="Field">The field.</param>
/// <param name="Mask">The bits of it.</param>
public readonly record struct FieldKey(PacketField Field, UInt128 Mask)
{
    /// <summary>The whole field.</summary>
    public FieldKey(PacketField field)
        : this(field, UInt128.MaxValue)
    {
    }

    /// <summary>Whether all bits count.</summary>
    public bool IsWhole => Mask == UInt128.MaxValue;
}
