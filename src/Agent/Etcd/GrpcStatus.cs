using System.Globalization;
using System.Net.Http.Headers;
using System.Text;

namespace Accelerated.Agent.Etcd;

/// <summary>How an RPC ended, as the trailers say: <c>grpc-status</c> and <c>grpc-message</c>.</summary>
/// <param name="Code">The status code; numbers outside gRPC's list become <see cref="EtcdStatusCode.Unknown"/>.</param>
/// <param name="Message">The server's words, percent-decoded, on one line; may be empty.</param>
internal readonly record struct GrpcStatus(EtcdStatusCode Code, string Message)
{
    private const int LongestMessage = 500;

    /// <summary>
    /// The status of an answer whose body has been read to its end. An answer without messages may carry it in the
    /// headers ("trailers only").
    /// </summary>
    /// <returns>Null when there is none: the answer was cut off, or it is not gRPC.</returns>
    internal static GrpcStatus? Of(HttpResponseMessage response) => Of(response.TrailingHeaders) ?? Of(response.Headers);

    private static GrpcStatus? Of(HttpHeaders headers)
    {
        if (First(headers, "grpc-status") is not { } number)
            return null;

        var code = int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value is >= 0 and <= 16
            ? (EtcdStatusCode)value
            : EtcdStatusCode.Unknown;
        return new GrpcStatus(code, OnOneLine(PercentDecode(First(headers, "grpc-message") ?? "")));
    }

    /// <summary>
    /// Decodes <c>grpc-message</c>: %XX is a byte of UTF-8. What is no such sequence stays as it is, as the gRPC protocol
    /// asks ("must not error due to invalid percent-encoding").
    /// </summary>
    internal static string PercentDecode(string text)
    {
        if (!text.Contains('%', StringComparison.Ordinal))
            return text;

        var source = Encoding.UTF8.GetBytes(text);
        var length = 0;
        for (var i = 0; i < source.Length; i++, length++)
        {
            if (source[i] == '%' && i + 2 < source.Length
                && char.IsAsciiHexDigit((char)source[i + 1]) && char.IsAsciiHexDigit((char)source[i + 2]))
            {
                source[length] = byte.Parse(source.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
                i += 2;
            }
            else
            {
                source[length] = source[i];
            }
        }

        return Encoding.UTF8.GetString(source, 0, length);
    }

    /// <summary>Foreign text ends up in logs: one line of it, and not too long.</summary>
    internal static string OnOneLine(string text)
    {
        var line = string.Create(Math.Min(text.Length, LongestMessage), text, static (to, from) =>
        {
            for (var i = 0; i < to.Length; i++)
                to[i] = char.IsControl(from[i]) ? ' ' : from[i];
        });
        return line.Trim();
    }

    private static string? First(HttpHeaders headers, string name) =>
        headers.NonValidated.TryGetValues(name, out var values) ? values.FirstOrDefault() : null;
}
