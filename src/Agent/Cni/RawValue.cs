using System.Text.Json;

namespace Accelerated.Agent.Cni;

/// <summary>A JSON value as it was written, with the name it stood under.</summary>
/// <param name="name">The name, unescaped; empty for an element of a list.</param>
/// <param name="kind">What it begins with.</param>
/// <param name="json">Its text.</param>
public sealed class RawValue(string name, JsonTokenType kind, ReadOnlyMemory<byte> json)
{
    /// <summary>The name, unescaped; empty for an element of a list.</summary>
    public string Name => name;

    /// <summary>What it begins with.</summary>
    public JsonTokenType Kind => kind;

    /// <summary>Its text.</summary>
    public ReadOnlyMemory<byte> Json => json;

    /// <summary>The text it stands for; null if it is none, also for a broken <c>\u</c> escape.</summary>
    public string? Text
    {
        get
        {
            if (kind != JsonTokenType.String)
                return null;
            var reader = new Utf8JsonReader(json.Span);
            reader.Read();
            return RawObject.Unescape(ref reader);
        }
    }

    /// <summary>The values of an object, or of a list; none of anything else.</summary>
    public RawObject Inside => kind is JsonTokenType.StartObject or JsonTokenType.StartArray ? RawObject.Parse(json) : RawObject.Empty;
}
